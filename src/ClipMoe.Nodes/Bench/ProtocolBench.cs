using System.CommandLine;
using System.Diagnostics;
using ClipMoe.Actors.Simulation;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Bench;

/// <summary><c>clipmoe bench protocol</c>: what coordinating a number of workers costs, whatever they compute.</summary>
internal static class ProtocolBench
{
    private const string Workers = "protocol-workers";

    /// <summary>Workers lost one after another; the median of the regroupings is reported.</summary>
    private const int Losses = 3;

    /// <summary>Steps between checkpoints, each a fact in the journal.</summary>
    private const int CheckpointEvery = 50;

    /// <summary>Until the code is compiled for good.</summary>
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(3);

    public static Command Build()
    {
        var workers = BenchOptions.AtLeast("--workers", Losses + 1, 64, "Simulated workers.");
        var steps = BenchOptions.AtLeast("--steps", 2, 200, "Committed steps that are measured.");
        var json = BenchOptions.Json();
        var command = new Command(
            "protocol",
            $"""
            Takes training steps with simulated workers that answer at once and have no tensors, as many leaves as workers, and then
            loses {Losses} of them. Coordinator, session, aggregator, serializer, connection and journal are the real ones; the
            workers share a second process.
            Example: clipmoe bench protocol --workers 256 --steps 200 --json
            """)
        { workers, steps, json };
        command.SetAction(async (parsed, _) =>
        {
            using var folder = new TemporaryFolder();
            var figures = await Measure(folder.Path, parsed.GetValue(workers), parsed.GetValue(steps));
            BenchOptions.Print(figures, parsed.GetValue(json), Describe);
            return ExitCodes.Success;
        });
        return command;
    }

    /// <summary>The process of the workers: kills the one whose number it reads, ends with its input.</summary>
    public static Command BuildWorkers()
    {
        var coordinator = new Argument<string>("coordinator");
        var count = new Argument<int>("count");
        var command = new Command(Workers) { coordinator, count };
        command.Hidden = true;
        command.SetAction(async (parsed, _) =>
        {
            await using var workers = new SimulatedWorkers(parsed.GetRequiredValue(coordinator), parsed.GetValue(count));
            while (await Console.In.ReadLineAsync(CancellationToken.None) is { } number) workers.Kill(int.Parse(number));
            return ExitCodes.Success;
        });
        return command;
    }

    /// <summary>Of the coordinating process, in bytes of messages without Akka's envelopes and 10⁶ bytes of memory.</summary>
    /// <param name="OpeningMegabytes">Sent to all workers from the start of the process to the first commit.</param>
    /// <param name="HeldMegabytes">Managed memory for the workers and their training.</param>
    /// <param name="ResidentMegabytes">Growth of the process since before the first worker came, garbage not yet collected
    /// included.</param>
    private sealed record ProtocolResult(
        int Workers, int Steps,
        double SentPerWorkerStep, double ReceivedPerWorkerStep, double SentBytesPerWorkerStep, double ReceivedBytesPerWorkerStep,
        double CpuMsPerStep, double CpuMicrosecondsPerWorkerStep, double StepMsP50, double StepMsP99,
        double OpeningMegabytes, double HeldMegabytes, double ResidentMegabytes, Regrouping Regrouping);

    /// <summary>From the loss of a worker to the next commit; messages, bytes and CPU include those of the step itself.</summary>
    private sealed record Regrouping(double Ms, double CpuMs, double MessagesPerWorker, double BytesPerWorker);

    private static async Task<ProtocolResult> Measure(string folder, int workers, int steps)
    {
        await using var simulation = new ProtocolSimulation(workers, leaves: workers, CheckpointEvery, folder);
        var (managed, resident) = (GC.GetTotalMemory(forceFullCollection: true), Environment.WorkingSet);
        using var process = BenchProcess.Start(Workers, simulation.Address, $"{workers}");
        try
        {
            var opened = await simulation.NextCommit();
            var last = opened;
            while (Stopwatch.GetElapsedTime(opened.Timestamp) < WarmUp) last = await simulation.NextCommit();

            List<CommitMark> commits = [last];
            while (commits.Count <= steps) commits.Add(await simulation.NextCommit());
            var held = GC.GetTotalMemory(forceFullCollection: true) - managed;
            var grown = Environment.WorkingSet - resident;

            last = commits[^1];
            var regroupings = new List<Regrouping>();
            for (var loss = 0; loss < Losses; loss++)
            {
                var left = workers - loss;
                var killed = Stopwatch.GetTimestamp();
                process.StandardInput.WriteLine(left);
                var before = last;
                while (last.Generation == before.Generation) (before, last) = (last, await simulation.NextCommit());
                regroupings.Add(new Regrouping(
                    Stopwatch.GetElapsedTime(killed, last.Timestamp).TotalMilliseconds, (last.Cpu - before.Cpu).TotalMilliseconds,
                    ((last.Sent - before.Sent).Messages + (last.Received - before.Received).Messages) / (double)left,
                    ((last.Sent - before.Sent).Bytes + (last.Received - before.Received).Bytes) / (double)left));
            }
            await simulation.Stop();
            return Summarize(
                workers, commits, opened.Sent.Bytes / 1e6, held / 1e6, grown / 1e6, regroupings.OrderBy(r => r.Ms).ElementAt(Losses / 2));
        }
        finally
        {
            process.StandardInput.Close();
            if (!process.WaitForExit(TimeSpan.FromSeconds(10))) process.Kill();
        }
    }

    private static ProtocolResult Summarize(
        int workers, List<CommitMark> commits, double openingMegabytes, double heldMegabytes, double residentMegabytes,
        Regrouping regrouping)
    {
        var (first, last, steps) = (commits[0], commits[^1], commits.Count - 1);
        var (sent, received, cpu) = (last.Sent - first.Sent, last.Received - first.Received, (last.Cpu - first.Cpu).TotalMilliseconds);
        var workerSteps = (double)workers * steps;
        var latencies = commits.Zip(commits.Skip(1), (a, b) => Stopwatch.GetElapsedTime(a.Timestamp, b.Timestamp).TotalMilliseconds).Order()
            .ToList();
        return new ProtocolResult(
            workers, steps, sent.Messages / workerSteps, received.Messages / workerSteps, sent.Bytes / workerSteps,
            received.Bytes / workerSteps,
            cpu / steps, cpu / workerSteps * 1e3, latencies[steps / 2], latencies[(int)(steps * 0.99)],
            openingMegabytes, heldMegabytes, residentMegabytes, regrouping);
    }

    private static string Describe(ProtocolResult f) => string.Join(Environment.NewLine,
        $"{f.Workers} workers, {f.Steps} steps: {f.StepMsP50:F1} ms a step (p99 {f.StepMsP99:F1}), " +
            $"{f.CpuMsPerStep:F1} ms of the coordinator's processor",
        $"one worker     {f.SentPerWorkerStep:F2} messages a step to it and {f.ReceivedPerWorkerStep:F2} from it, " +
            $"{f.SentBytesPerWorkerStep:F0} and {f.ReceivedBytesPerWorkerStep:F0} bytes, {f.CpuMicrosecondsPerWorkerStep:F0} µs of the " +
            $"coordinator",
        $"coordinator    {f.OpeningMegabytes:F1} MB sent before the first step; holds {f.HeldMegabytes:F1} MB, resident " +
        $"+{f.ResidentMegabytes:F0} MB",
        $"a worker lost  {f.Regrouping.Ms:F0} ms to the next commit, {f.Regrouping.CpuMs:F0} ms of the coordinator's processor, " +
            $"{f.Regrouping.MessagesPerWorker:F1} messages and {f.Regrouping.BytesPerWorker:F0} bytes for each worker");
}
