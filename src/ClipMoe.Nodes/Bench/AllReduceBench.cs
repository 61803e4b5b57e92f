using System.CommandLine;
using ClipMoe.Model.Reduction;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Bench;

/// <summary><c>clipmoe bench allreduce</c>: the sum of a gradient over several processes, as a training step makes it.</summary>
internal static class AllReduceBench
{
    private const string Worker = "allreduce-worker";

    public static Command Build()
    {
        var workers = BenchOptions.AtLeast("--workers", 2, 4, "Processes; each brings a gradient and gets the sum.");
        var megabytes = BenchOptions.AtLeast("--megabytes", 1, 256, "Size of the gradient, in 10⁶ bytes of fp32.");
        var transport = BenchOptions.Transport();
        var format = new Option<string>("--gradients")
        {
            DefaultValueFactory = _ => "fp32",
            Description =
            "How gradients travel: fp32 or bf16."
        };
        format.AcceptOnlyFromAmong("fp32", "bf16");
        var repetitions = BenchOptions.AtLeast("--repetitions", 1, 11, "Sums that are measured, after two that are not.");
        var json = BenchOptions.Json();
        var command = new Command(
            "allreduce",
            """
            The bitwise reproducible sum of a gradient over several processes on this machine, and in the same run a plain one-way stream.
            Example: clipmoe bench allreduce --workers 4 --megabytes 256 --transport unix --json
            """)
        { workers, megabytes, transport, format, repetitions, json };
        command.SetAction(parsed =>
        {
            var setup = new AllReduceSetup(
                parsed.GetValue(workers), parsed.GetValue(megabytes) * 1_000_000L / sizeof(float),
                parsed.GetRequiredValue(transport) == "unix",
                parsed.GetRequiredValue(format) == "bf16" ? GradientFormat.Bf16 : GradientFormat.Fp32, parsed.GetValue(repetitions));
            var figures = Measure(setup);
            BenchOptions.Print(figures, parsed.GetValue(json), f =>
                $"{f.Megabytes} MB over {f.Workers} workers, {f.Transport}, {f.Gradients}: {f.MedianMs:F0} ms " +
                    $"({f.MinMs:F0} to {f.MaxMs:F0}; {f.CpuMs:F0} ms of processors), {f.GbPerSecond:F2} GB/s; " +
                    $"{f.WireGbPerSecond:F2} GB/s through all sockets, {f.Ratio:F2} times the " +
                    $"{f.PlainStreamGbPerSecond:F2} GB/s of one plain stream");
            return ExitCodes.Success;
        });
        return command;
    }

    /// <summary>What the command above starts, once per worker; it talks to it over its standard input and output.</summary>
    public static Command BuildWorker()
    {
        var command = new Command(Worker) { Hidden = true };
        command.SetAction(_ =>
        {
            AllReduceWorker.Run(Console.In, Console.Out);
            return ExitCodes.Success;
        });
        return command;
    }

    /// <param name="MedianMs">Of the repetitions; each takes as long as its slowest worker.</param>
    /// <param name="CpuMs">Processor time of all workers together for one sum, which other load on the machine hardly changes.</param>
    /// <param name="GbPerSecond">10⁹ bytes of gradient a second.</param>
    /// <param name="WireGbPerSecond">10⁹ bytes a second that went through all sockets together, at the median.</param>
    /// <param name="PlainStreamGbPerSecond">Median rate of a plain socket between two of the processes, before and after the
    /// repetitions.</param>
    /// <param name="Ratio">The one by the other.</param>
    private sealed record AllReduceSummary(
        int Workers, double Megabytes, string Transport, string Gradients, int Repetitions,
        double MedianMs, double MinMs, double MaxMs, double CpuMs,
        double GbPerSecond, double WireGbPerSecond, double PlainStreamGbPerSecond, double Ratio);

    private static AllReduceSummary Measure(AllReduceSetup setup)
    {
        var processes = Enumerable.Range(0, setup.Workers).Select(_ => BenchProcess.Start(Worker)).ToList();
        try
        {
            for (var rank = 0; rank < setup.Workers; rank++) BenchProcess.Tell(processes[rank], setup with { Rank = rank });
            var places = processes.Select(BenchProcess.Hear<AllReducePlace>).ToList();
            processes.ForEach(p => BenchProcess.Tell(p, places));
            var results = processes.Select(BenchProcess.Hear<AllReduceResult>).ToList();
            if (results.Select(r => r.Hash).Distinct().Count() > 1) throw new InvalidDataException("the workers' sums differ");

            // A sum is made when the last worker has it.
            var seconds = Enumerable.Range(0, setup.Repetitions).Select(i => results.Max(r => r.Seconds[i])).Order().ToList();
            var median = seconds[seconds.Count / 2];
            var bytes = setup.Floats * (double)sizeof(float);
            var wire = 2 * (setup.Workers - 1) * (setup.Gradients == GradientFormat.Bf16 ? bytes / 2 : bytes) / median;
            var streams = results.SelectMany(r => r.StreamSeconds).Order().ToList();
            var plain = bytes / streams[streams.Count / 2];
            return new AllReduceSummary(
                setup.Workers, bytes / 1e6, setup.Unix ? "unix" : "tcp", setup.Gradients.ToString().ToLowerInvariant(), setup.Repetitions,
                median * 1e3, seconds[0] * 1e3, seconds[^1] * 1e3, results.Sum(r => r.CpuSeconds) / setup.Repetitions * 1e3,
                bytes / median / 1e9, wire / 1e9, plain / 1e9, wire / plain);
        }
        finally
        {
            BenchProcess.End(processes);
        }
    }
}
