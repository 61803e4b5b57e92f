using System.CommandLine;
using ClipMoe.Model;
using ClipMoe.Model.Native;
using ClipMoe.Nodes.Commands;

try
{
    return await Root.Build().Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
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
