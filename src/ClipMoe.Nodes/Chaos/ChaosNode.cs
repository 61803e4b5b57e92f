using System.Diagnostics;
using ClipMoe.Actors.Faults;
using ClipMoe.Nodes.Cluster;

namespace ClipMoe.Nodes.Chaos;

/// <summary>A worker process of a node.</summary>
/// <param name="Name">As in <c>clipmoe status</c>.</param>
internal sealed record ChaosWorker(int Process, string Name, ChaosNode Node);

/// <summary>A node of this machine as a process, which ends and is started again.</summary>
/// <param name="output">Its output folder; what it says goes to a file beside it.</param>
/// <param name="options">Of <c>clipmoe node</c>, besides its address and output folder.</param>
internal sealed class ChaosNode(string address, string output, IReadOnlyList<string> options)
{
    private static readonly TimeSpan LeaveWithin = TimeSpan.FromSeconds(90), EndWithin = TimeSpan.FromSeconds(10);

    private readonly Lock _log = new();
    private Process? _process;
    private volatile bool _spoke;

    public string Address => address;

    public string Output => output;

    public bool Runs => _process is { HasExited: false };

    public void Start()
    {
        var start = ThisProgram.With(["node", "--listen", address, "--out", output, "--ends-with-input", .. options]);
        start.RedirectStandardInput = true;
        start.Environment[FaultRequests.Variable] = "1";
        _spoke = false;
        _process = Process.Start(start) ?? throw new IOException($"{start.FileName} can't be started");
        _process.OutputDataReceived += (_, line) => Log(line.Data);
        _process.ErrorDataReceived += (_, line) => Log(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Its workers, in the order of their names.</summary>
    public IReadOnlyList<ChaosWorker> Workers()
    {
        const string option = "worker --name ";
        return [.. ProcessTable.With($"{option}{address}/").Select(p => new ChaosWorker(p.Id, NameIn(p.CommandLine), this))
            .OrderBy(w => w.Name, StringComparer.Ordinal)];

        static string NameIn(string line) => line[(line.IndexOf(option, StringComparison.Ordinal) + option.Length)..].Split(' ')[0];
    }

    /// <summary>kill -9; its workers end with it.</summary>
    public async Task Kill()
    {
        if (_process is not { } process) return;
        var workers = Workers();
        process.Kill();
        await process.WaitForExitAsync();
        using var patience = new CancellationTokenSource(EndWithin);
        foreach (var worker in workers)
        {
            // One that stands still can't see that its node is gone.
            Signals.Send(worker.Process, Signal.Continue);
            await Ended(worker.Process, patience.Token);
        }
    }

    /// <summary>SIGTERM.</summary>
    /// <returns>Whether it left in good order; otherwise it was killed.</returns>
    public async Task<bool> Leave()
    {
        if (_process is not { } process) return true;
        Signals.Send(process.Id, Signal.Terminate);
        using var patience = new CancellationTokenSource(LeaveWithin);
        try
        {
            await process.WaitForExitAsync(patience.Token);
            // Before it has said anything it does not listen to signals yet.
            return process.ExitCode == 0 || (process.ExitCode == 128 + (int)Signal.Terminate && !_spoke);
        }
        catch (OperationCanceledException)
        {
            await Kill();
            return false;
        }
    }

    private static async Task Ended(int process, CancellationToken patience)
    {
        try
        {
            using var found = Process.GetProcessById(process);
            await found.WaitForExitAsync(patience);
        }
        catch (ArgumentException)
        {
            // It is.
        }
        catch (OperationCanceledException)
        {
            Signals.Send(process, Signal.Kill);
        }
    }

    private void Log(string? line)
    {
        if (line is null) return;
        _spoke = true;
        lock (_log) File.AppendAllText($"{output}.log", line + "\n");
    }
}
