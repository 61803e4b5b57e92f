using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using System.Threading.Channels;

namespace ClipMoe.Cluster.Tests;

/// <summary>A process that prints JSON events.</summary>
/// <remarks>What does not happen within <see cref="TestCluster.Patience"/> is reported with what the nodes said.</remarks>
internal sealed class Following : IDisposable
{
    private readonly Process _process;
    private readonly Channel<JsonElement> _events = Channel.CreateUnbounded<JsonElement>();
    private readonly CancellationTokenSource _patience = new(TestCluster.Patience);
    private readonly Func<string> _log;
    private readonly Task<string> _errors;
    private string _last = "";

    /// <param name="log">What the nodes said.</param>
    public Following(IEnumerable<string> arguments, Func<string> log)
    {
        _log = log;
        _process = Process.Start(new ProcessStartInfo(TestCluster.Executable, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true
        })!;
        _errors = _process.StandardError.ReadToEndAsync();
        _ = Read();
    }

    /// <summary>Warnings so far.</summary>
    public ConcurrentQueue<string> Warnings { get; } = [];

    /// <summary>Steps committed so far.</summary>
    public ConcurrentQueue<CommittedStep> Commits { get; } = [];

    /// <summary>Waits for an event of a kind, of a stage.</summary>
    public async Task<JsonElement> Until(string kind, string? stage = null)
    {
        try
        {
            await foreach (var e in _events.Reader.ReadAllAsync(_patience.Token))
            {
                _last = e.ToString();
                if (e.GetProperty("event").GetString() != kind) continue;
                if (stage is not null && e.GetProperty("stage").GetString() != stage) continue;
                return e;
            }
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"{kind} of {stage} did not come; the last event is {_last}\n{_log()}");
        }
        throw new InvalidOperationException($"the run ended before {kind} of {stage}: {string.Join("; ", Warnings)} {await _errors}");
    }

    /// <summary>Waits until a checkpoint of a stage after so many steps, or more, is in the journal.</summary>
    public async Task UntilSaved(string stage, int step)
    {
        while ((await Until("checkpoint_saved", stage)).GetProperty("step").GetInt32() < step)
        {
            // A later one is.
        }
    }

    /// <summary>Waits for a warning that says so.</summary>
    public async Task UntilWarned(string text)
    {
        while (!(await Until("run_warning")).GetProperty("message").GetString()!.Contains(text, StringComparison.Ordinal))
        {
            // The next one may.
        }
    }

    /// <summary>Waits until a step is committed by so many workers.</summary>
    /// <param name="after">A generation of workers; those are of a later one.</param>
    public async Task UntilTrainedBy(int workers, int after = -1)
    {
        while (CommittedStep.Of(await Until("stage_progress")) is not { } step || step.Workers != workers || step.Generation <= after)
        {
            // The next event tells.
        }
    }

    /// <summary>Waits for the end of the run.</summary>
    /// <returns>Hash of the final weights.</returns>
    public async Task<string> End()
    {
        var ended = await Until("run_ended");
        await _process.WaitForExitAsync(_patience.Token);
        Assert.Equal(0, _process.ExitCode);
        return ended.GetProperty("weights_sha256").GetString()!;
    }

    public async Task<int> ExitCode()
    {
        await _process.WaitForExitAsync(_patience.Token);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.Dispose();
        _patience.Dispose();
    }

    private async Task Read()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (!line.StartsWith('{')) continue;
            var e = JsonDocument.Parse(line).RootElement;
            if (e.GetProperty("event").GetString() == "run_warning") Warnings.Enqueue(e.GetProperty("message").GetString()!);
            if (CommittedStep.Of(e) is { } commit) Commits.Enqueue(commit);
            _events.Writer.TryWrite(e);
        }
        _events.Writer.Complete();
    }
}
