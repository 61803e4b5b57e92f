using System.CommandLine;
using System.Diagnostics;
using System.Net;
using System.Text.Json;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Fetching;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Native;
using ClipMoe.Model.Parameters;
using ClipMoe.Nodes.CommandLine;
using TorchSharp;

namespace ClipMoe.Nodes.Bench;

/// <summary><c>clipmoe bench heal</c>: a replica's state copied from the workers that have it, as a worker does that joins.</summary>
internal static class HealBench
{
    private const string Donor = "heal-donor", Stage = "bench";

    public static Command Build()
    {
        var donors = BenchOptions.AtLeast("--donors", 1, 3, "Processes that have the state.");
        var model = new Option<string>("--model")
        {
            Description = "Named architecture, of which the FFNs train, as in the MCL stages: 1 GB of state for vit-b-32.",
            DefaultValueFactory = _ => "vit-b-32",
        };
        model.AcceptOnlyFromAmong([.. ClipConfig.Names]);
        var transport = BenchOptions.Transport();
        var repetitions = BenchOptions.AtLeast("--repetitions", 1, 5, "Copies that are measured, after one that is not.");
        var json = BenchOptions.Json();
        var command = new Command(
            "heal",
            """
            Copies weights and both moments of a replica from several processes at once into this one, in verified chunks.
            Example: clipmoe bench heal --donors 3 --transport unix --json
            """)
        { donors, model, transport, repetitions, json };
        command.SetAction(parsed =>
        {
            var figures = Measure(
                parsed.GetValue(donors), parsed.GetRequiredValue(model), parsed.GetRequiredValue(transport), parsed.GetValue(repetitions));
            BenchOptions.Print(figures, parsed.GetValue(json), f =>
                $"{f.Gigabytes:F2} GB from {f.Donors} processes, {f.Transport}: {f.MedianSeconds:F2} s ({f.MinSeconds:F2} to " +
                $"{f.MaxSeconds:F2}), "
                + $"{f.GbPerSecond:F2} GB/s");
            return ExitCodes.Success;
        });
        return command;
    }

    /// <summary>A process with the state, until its input ends.</summary>
    public static Command BuildDonor()
    {
        var model = new Argument<string>("model");
        var command = new Command(Donor) { model };
        command.Hidden = true;
        command.SetAction(parsed =>
        {
            var settings = new TransportSettings { Log = Console.Error.WriteLine };
            using var listener = new BulkListener("127.0.0.1", new IPEndPoint(IPAddress.Loopback, 0), settings);
            using var server = new BulkServer(listener);
            using var replica = NewReplica(parsed.GetRequiredValue(model));
            var states = new ReplicaStates(settings);
            server.Serve(ReplicaStates.Source, states);
            states.Offer(Stage, 1, replica);
            Console.WriteLine(JsonSerializer.Serialize(listener.Endpoint));
            Console.In.ReadToEnd();
            return ExitCodes.Success;
        });
        return command;
    }

    private sealed record HealResult(
        double Gigabytes, int Donors, string Transport, double MedianSeconds, double MinSeconds, double MaxSeconds, double GbPerSecond);

    private static HealResult Measure(int donors, string model, string transport, int repetitions)
    {
        using var replica = NewReplica(model);
        var states = new ReplicaStates(new TransportSettings { Log = Console.Error.WriteLine });
        var processes = Enumerable.Range(0, donors).Select(_ => BenchProcess.Start(Donor, model)).ToList();
        try
        {
            var members = processes.Select(BenchProcess.Hear<BulkEndpoint>)
                .Select((e, n) => new GenerationMember(n + 1, transport == "unix" ? e : e with { UnixSocket = null })).ToList();
            var seconds = new List<double>();
            for (var i = 0; i <= repetitions; i++)
            {
                var clock = Stopwatch.StartNew();
                states.Copy(Stage, 0, members, replica, CancellationToken.None);
                if (i > 0) seconds.Add(clock.Elapsed.TotalSeconds);
            }
            seconds.Sort();
            // Weights and two moments.
            var gigabytes = 3 * sizeof(float) * replica.Layout.TrainableLength / 1e9;
            var median = seconds[seconds.Count / 2];
            return new HealResult(gigabytes, donors, transport, median, seconds[0], seconds[^1], gigabytes / median);
        }
        finally
        {
            BenchProcess.End(processes);
        }
    }

    private static Replica NewReplica(string model)
    {
        Devices.UseThreads(1);
        var replica = new Replica(ParameterLayout.Create(ClipConfig.Named(model), TrainableParameters.FfnOnly()), torch.CPU,
            Precision.Fp32);
        replica.Initialize(1);
        return replica;
    }
}
