using System.CommandLine;
using System.CommandLine.Invocation;
using ClipMoe.Model;
using ClipMoe.Model.Native;
using ClipMoe.Nodes.CommandLine;
using ClipMoe.Nodes.Commands;

try
{
    var parsed = Root.Build().Parse(args is [] ? ["--help"] : args);
    if (parsed.Action is ParseErrorAction mistake) mistake.ShowHelp = false;
    var exitCode = await parsed.InvokeAsync(new InvocationConfiguration
    {
        EnableDefaultExceptionHandler = false,
        ProcessTerminationTimeout = null
    });
    return parsed.Errors.Count > 0 ? ExitCodes.WrongInput : exitCode;
}
catch (Exception e) when (e is UserErrorException or LibTorchNotFoundException)
{
    Console.Error.WriteLine($"clipmoe: {e.Message}");
    return ExitCodes.WrongInput;
}
catch (IOException e)
{
    Console.Error.WriteLine($"clipmoe: {e.Message}");
    return ExitCodes.Failure;
}
catch (OperationCanceledException)
{
    return ExitCodes.Interrupted;
}
catch (Exception e)
{
    Console.Error.WriteLine($"clipmoe: {ErrorReport.Sentence(e)}");
    if (ErrorReport.Debugging) Console.Error.WriteLine(e);
    return ExitCodes.Failure;
}
