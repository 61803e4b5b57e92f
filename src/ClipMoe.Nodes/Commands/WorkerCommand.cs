using System.CommandLine;
using System.Runtime.InteropServices;
using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Protocol;
using ClipMoe.Model;
using ClipMoe.Model.Native;
using ClipMoe.Nodes.Cluster;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Commands;

/// <summary>
/// <c>clipmoe worker</c>: one device of a node, which starts it. Ends when its standard input does, so it never outlives the node.
/// </summary>
internal static class WorkerCommand
{
    public static Command Build()
    {
        var name = new Option<string>("--name") { Required = true };
        var host = new Option<string>("--host") { Required = true };
        var seeds = new Option<string>("--seeds") { Required = true };
        var device = new Option<string>("--device") { Required = true };
        var threads = new Option<int>("--threads") { Required = true };
        var output = new Option<string>("--out") { Required = true };
        var tls = TlsOption.Create();
        var command = new Command("worker", "One device of a node; started by clipmoe node.") { name, host, seeds, device, threads, output,
            tls };
        command.Hidden = true;
        command.SetAction(result => Run(new WorkerHost.WorkerSettings(
            result.GetValue(name)!,
            new ClusterAddress(result.GetValue(host)!, 0, result.GetValue(seeds)!.Split(','), [ClusterAddress.Worker]),
            result.GetValue(output)!, new WorkerDevice(result.GetValue(device)!, result.GetValue(threads)),
            TlsOption.Transport(result.GetValue(tls)) with { Log = Console.WriteLine })));
        return command;
    }

    private static async Task<int> Run(WorkerHost.WorkerSettings settings)
    {
        LibTorch.EnsureLoaded();
        if (settings.Device.Name != "cpu" && !LibTorch.CudaAvailable)
            throw new UserErrorException($"{settings.Device.Name} was not found: the libtorch in {LibTorch.Directory} finds no GPU.");
        // The node tells it to leave; signals that a terminal sends to the whole group are the node's to deal with.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = true);
        await using var host = new WorkerHost(settings);
        var leave = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        // The end of the node is the end of its workers: nothing is left to be in good order for.
        ParentProcess.LiveNoLongerThanIt(line =>
        {
            if (line == WorkerProcess.LeaveCommand) leave.TrySetResult();
        });
        _ = host.Run(Console.WriteLine);
        await leave.Task;
        await host.Drain();
        await host.Leave();
        return ExitCodes.Success;
    }
}
