using System.CommandLine;
using ClipMoe.Model;
using ClipMoe.Model.Native;
using ClipMoe.Nodes.Commands;

try
{
    var parsed = Root.Build().Parse(args);
    var exitCode = await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
    return parsed.Errors.Count > 0 ? ExitCodes.WrongInput : exitCode;
}
catch (Exception e) when (e is UserErrorException or LibTorchNotFoundException)
{
    Console.Error.WriteLine($"clipmoe: {e.Message}");
    return ExitCodes.WrongInput;
}
catch (OperationCanceledException)
{
    return ExitCodes.Interrupted;
}
