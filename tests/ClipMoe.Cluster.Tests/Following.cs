using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using System.Threading.Channels;

namespace ClipMoe.Cluster.Tests;

/// <summary>A command that prints JSON events; it is run again for as long as the cluster does not answer it.</summary>
/// <remarks>What does not happen within <see cref="TestCluster.Patience"/> is reported with what the nodes said.</remarks>
internal sealed class Following : IDisposable
{
    private readonly Channel<JsonElement> _events = Channel.CreateUnbounded<JsonElement>();
    private readonly CancellationTokenSource _disposed = new();
    private readonly Func<string> _log;
    private readonly Task<int> _exitCode;
    private string _errors = "", _last = "";

    /// <param name="log">What the nodes said.</param>
    public Following(IReadOnlyList<string> arguments, Func<string> log) => (_log, _exitCode) = (log, Run(arguments));

    /// <summary>Warnings so far.</summary>
    public ConcurrentQueue<string> Warnings { get; } = [];

    /// <summary>Steps committed so far.</summary>
    public ConcurrentQueue<CommittedStep> Commits { get; } = [];

    /// <summary>Waits for an event of a kind, of a stage.</summary>
    public async Task<JsonElement> Until(string kind, string? stage = null)
    {
        using var patience = new CancellationTokenSource(TestCluster.Patience);
        try
        {
            await foreach (var e in _events.Reader.ReadAllAsync(patience.Token))
            {
                _last = e.ToString();
                if (e.GetProperty("event").GetString() != kind) continue;
                if (stage is not null && e.GetProperty("stage").GetString() != stage) continue;
                return e;
            }
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"{kind} of {stage} did not come; the last event is {_last}, and it said: {_errors}\n{_log()}");
        }
        throw new InvalidOperationException($"the run ended before {kind} of {stage}: {string.Join("; ", Warnings)} {_errors}");
    }

    /// <summary>Waits until a checkpoint of a stage after so many steps, or more, is in the journal.</summary>
    public async Task UntilSaved(string stage, int step)
    {
        while ((await Until("checkpoint_saved", stage)).GetProperty("step").GetInt32() < step)
        {
            // A later one is.
        }
    }

    /// <summary>Waits until a coordinator begins to run the experiment, or continues with it.</summary>
    /// <param name="after">When it does so; in UTC.</param>
    /// <returns>When it did, in UTC.</returns>
    public async Task<DateTime> UntilStarted(DateTime after)
    {
        while (true)
        {
            var started = (await Until("run_started")).GetProperty("time").GetDateTime().ToUniversalTime();
            if (started > after) return started;
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
        Assert.Equal(0, await ExitCode());
        return ended.GetProperty("weights_sha256").GetString()!;
    }

    public Task<int> ExitCode() => _exitCode.WaitAsync(TestCluster.Patience);

    public void Dispose()
    {
        _disposed.Cancel();
        _exitCode.Wait();
        _disposed.Dispose();
    }

    private async Task<int> Run(IReadOnlyList<string> arguments)
    {
        try
        {
            while (true)
            {
                using var process = Process.Start(new ProcessStartInfo(TestCluster.Executable, arguments)
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true
                })!;
                await using var killed = _disposed.Token.Register(() => process.Kill());
                var errors = process.StandardError.ReadToEndAsync();
                await Read(process.StandardOutput);
                await process.WaitForExitAsync();
                _errors = await errors;
                if (_disposed.IsCancellationRequested || !TestCluster.IsUnanswered(_errors)) return process.ExitCode;
            }
        }
        finally
        {
            _events.Writer.Complete();
        }
    }

    private async Task Read(StreamReader output)
    {
        while (await output.ReadLineAsync() is { } line)
        {
            if (!line.StartsWith('{')) continue;
            var e = JsonDocument.Parse(line).RootElement;
            if (e.GetProperty("event").GetString() == "run_warning") Warnings.Enqueue(e.GetProperty("message").GetString()!);
            if (CommittedStep.Of(e) is { } commit) Commits.Enqueue(commit);
            _events.Writer.TryWrite(e);
        }
    }
}
