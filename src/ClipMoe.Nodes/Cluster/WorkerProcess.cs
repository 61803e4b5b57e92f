using System.Diagnostics;

namespace ClipMoe.Nodes.Cluster;

/// <summary>
/// Starts and supervises the process of one device: what ends without having been asked to is started again, at once or, while it ends
/// soon after its start, after a pause that doubles. The child lives no longer than this process: it ends when its standard input does.
/// </summary>
/// <param name="alwaysAtOnce">No pause, however soon it ends: faults are injected, so its deaths do not tell that it can't run.</param>
internal sealed class WorkerProcess(string name, IReadOnlyList<string> arguments, Action<string> log, bool alwaysAtOnce)
{
    public const string LeaveCommand = "leave";

    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(1), LongestPause = TimeSpan.FromSeconds(60),
        Healthy = TimeSpan.FromSeconds(20);

    private readonly CancellationTokenSource _leaving = new();
    private Process? _process;

    /// <summary>Runs until <see cref="Leave"/>.</summary>
    public async Task Supervise()
    {
        var pause = TimeSpan.Zero;
        while (!_leaving.IsCancellationRequested)
        {
            var clock = Stopwatch.StartNew();
            using var process = Start();
            lock (_leaving) _process = process;
            if (_leaving.IsCancellationRequested) Ask(process);
            await process.WaitForExitAsync();
            lock (_leaving) _process = null;
            if (_leaving.IsCancellationRequested) return;
            pause = alwaysAtOnce ? TimeSpan.Zero : PauseAfter(clock.Elapsed, pause);
            log($"worker {name} ended with exit code {process.ExitCode}; restarting it{(pause > TimeSpan.Zero ? $" in " +
                $"{pause.TotalSeconds:0} s" : "")}.");
            try
            {
                await Task.Delay(pause, _leaving.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <param name="lived">How long the process has run that has just ended.</param>
    /// <param name="before">The pause before it was started.</param>
    public static TimeSpan PauseAfter(TimeSpan lived, TimeSpan before) =>
        lived > Healthy ? TimeSpan.Zero
        : before == TimeSpan.Zero ? ShortestPause
        : before * 2 < LongestPause ? before * 2 : LongestPause;

    /// <summary>Has the worker finish its step and leave the cluster; it is not started again.</summary>
    public void Leave()
    {
        _leaving.Cancel();
        lock (_leaving)
            if (_process is { } process) Ask(process);
    }

    /// <summary>Ends it at once.</summary>
    public void Kill()
    {
        _leaving.Cancel();
        lock (_leaving)
            if (_process is { HasExited: false } process) process.Kill(entireProcessTree: true);
    }

    private static void Ask(Process process)
    {
        try
        {
            process.StandardInput.WriteLine(LeaveCommand);
            process.StandardInput.Flush();
        }
        catch (IOException)
        {
            // It ended by itself.
        }
    }

    private Process Start()
    {
        var start = ThisProgram.With(arguments);
        start.RedirectStandardInput = true;
        var process = Process.Start(start) ?? throw new IOException($"{start.FileName} can't be started");
        process.OutputDataReceived += (_, line) => Log(line.Data);
        process.ErrorDataReceived += (_, line) => Log(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        log($"worker {name} started as process {process.Id}.");
        return process;

        void Log(string? line)
        {
            if (!string.IsNullOrWhiteSpace(line)) log($"worker {name}: {line}");
        }
    }
}
