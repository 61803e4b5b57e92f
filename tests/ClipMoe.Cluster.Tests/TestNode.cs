using System.Diagnostics;
using ClipMoe.Actors.Faults;

namespace ClipMoe.Cluster.Tests;

/// <summary>One node with its workers.</summary>
/// <param name="onHost">Runs a program on the node's host.</param>
/// <param name="holds">Folder of the steps that are held.</param>
internal sealed class TestNode(
    Func<string, IEnumerable<string>, ProcessStartInfo> onHost, string address, string seeds, bool coordinator, int workers, string output,
    string? journal, IReadOnlyList<string> faults, string holds, string? tls = null)
{
    private const int Killed = 137, Terminated = 143;

    private readonly List<(DateTime Time, string Text)> _log = [];
    private TaskCompletionSource _logged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Process? _process;
    private int? _stopped;

    public string Address => address;

    public string Output => output;

    /// <summary>Faults when the process that runs now ends by itself and not well.</summary>
    public Task Failed => _failed.Task;

    public string Log
    {
        get
        {
            lock (_log) return string.Join('\n', _log.Select(l => l.Text));
        }
    }

    public static string[] TlsOption(string? files) => files is null ? [] : ["--tls", files];

    public void Start()
    {
        string[] arguments =
        [
            "node", "--listen", Address, "--seeds", seeds, "--out", output, "--threads", "1",
            "--roles", string.Join(',', [.. coordinator ? ["coordinator"] : (string[])[], .. workers > 0 ? ["worker"] : (string[])[]]),
            "--devices", $"cpu*{Math.Max(1, workers)}", .. journal is null ? (string[])[] : ["--journal", journal], .. TlsOption(tls),
        ];
        var start = onHost(TestCluster.Executable, arguments);
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        start.WorkingDirectory = Directory.CreateDirectory(output).FullName;
        start.Environment[FaultInjection.Variable] = string.Join(';', faults.Select(f => $"*={f}"));
        start.Environment[StepHolds.Variable] = holds;
        var (process, failed) = (new Process { StartInfo = start, EnableRaisingEvents = true },
            new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        process.Exited += (_, _) =>
        {
            // All that it said is read.
            process.WaitForExit();
            if (process.ExitCode is not (0 or Killed or Terminated))
                failed.SetException(new InvalidOperationException($"{Address} ended with {process.ExitCode}:\n{Log}"));
        };
        process.Start();
        (_process, _failed) = (process, failed);
        _process.OutputDataReceived += (_, line) => Add(line.Data ?? "");
        _process.ErrorDataReceived += (_, line) => Add(line.Data ?? "");
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Waits until the node says something.</summary>
    /// <param name="after">What it said up to then does not count; in UTC.</param>
    /// <returns>When it did, in UTC.</returns>
    public async Task<DateTime> UntilLogged(string text, DateTime after = default)
    {
        using var patience = new CancellationTokenSource(TestCluster.Patience);
        while (true)
        {
            Task more;
            lock (_log)
            {
                if (_log.Find(l => l.Time > after && l.Text.Contains(text, StringComparison.Ordinal)) is { Text: not null } found)
                    return found.Time;
                more = _logged.Task;
            }
            try
            {
                await more.WaitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"{Address} did not say '{text}':\n{Log}");
            }
        }
    }

    /// <summary>Holds a fault back: what has happened does not happen again.</summary>
    /// <param name="fault">Its mark in the output folder.</param>
    public void Defer(string fault)
    {
        Directory.CreateDirectory(output);
        File.WriteAllText(Path.Combine(output, fault), "");
    }

    /// <summary>From now on it happens.</summary>
    public void Release(string fault) => File.Delete(Path.Combine(output, fault));

    public bool Happened(string fault) => File.Exists(Path.Combine(output, fault));

    /// <summary>Waits until a fault has happened.</summary>
    public async Task UntilHappened(string fault)
    {
        using var patience = new CancellationTokenSource(TestCluster.Patience);
        while (!Happened(fault))
        {
            if (patience.IsCancellationRequested) throw new TimeoutException($"{fault} did not happen:\n{Log}");
            await Task.Delay(StepHolds.LookEvery);
        }
    }

    private void Add(string line)
    {
        lock (_log)
        {
            _log.Add((DateTime.UtcNow, line));
            _logged.SetResult();
            _logged = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>kill -9 of the node; its workers end with it.</summary>
    public async Task Kill()
    {
        if (_process is null) return;
        var children = Workers();
        _process.Kill();
        await _process.WaitForExitAsync();
        // One that stands still does not see that it is to end.
        if (_stopped is { } stopped && children.Contains(stopped)) Signal(stopped, "CONT");
        foreach (var child in children) await Gone(child);
    }

    public async Task Restart()
    {
        await Kill();
        Start();
    }

    /// <summary>SIGTERM, and the end of the process.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> Terminate()
    {
        Signal(_process!.Id, "TERM");
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    /// <summary>kill -9 of a worker process; the node starts it again.</summary>
    public void KillWorker(int index = 0) => Process.GetProcessById(Workers()[index]).Kill();

    /// <summary>SIGSTOP of its first worker, which stands still until <see cref="ContinueWorker"/>.</summary>
    public void StopWorker() => Signal((_stopped = Workers()[0]).Value, "STOP");

    /// <returns>Whether it stood still until now.</returns>
    public bool ContinueWorker()
    {
        var stands = _stopped is { } worker && StateOf(worker) == 'T';
        if (stands) Signal(_stopped!.Value, "CONT");
        _stopped = null;
        return stands;
    }

    /// <summary>Process numbers of its workers, in the order of their names.</summary>
    public IReadOnlyList<int> Workers() =>
        [.. Directory.EnumerateDirectories("/proc").Select(p => int.TryParse(Path.GetFileName(p), out var id) ? id : 0).Where(id => id > 0)
            .Select(id => (Id: id, Line: TestCluster.CommandLineOf(id)))
            .Where(p => p.Line.Contains($"worker --name {Address}/", StringComparison.Ordinal))
            .OrderBy(p => p.Line, StringComparer.Ordinal).Select(p => p.Id)];

    /// <summary>The letter by which the kernel tells what a process does.</summary>
    private static char StateOf(int process) => File.ReadAllText($"/proc/{process}/stat") is var stat ? stat[stat.LastIndexOf(')') + 2]
        : default;

    private static async Task Gone(int process)
    {
        try
        {
            await Process.GetProcessById(process).WaitForExitAsync();
        }
        catch (ArgumentException)
        {
            // It is.
        }
    }

    private static void Signal(int process, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{process}"]);
        kill.WaitForExit();
    }
}
