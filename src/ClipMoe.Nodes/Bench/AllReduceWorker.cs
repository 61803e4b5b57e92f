using System.Diagnostics;
using System.Net;
using System.Text.Json;
using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Streams;
using ClipMoe.Model.Native;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Nodes.Bench;

/// <summary>What a worker of the measurement is told first.</summary>
internal sealed record AllReduceSetup(int Workers, long Floats, bool Unix, GradientFormat Gradients, int Repetitions, int Rank = 0);

/// <summary>Where a worker can be reached: by the others' exchanges, and by a plain socket.</summary>
internal sealed record AllReducePlace(BulkEndpoint Endpoint, string PlainStream);

/// <param name="Seconds">Of each repetition, from when all workers were ready to when this one had the sum.</param>
/// <param name="CpuSeconds">Processor time of all repetitions together.</param>
/// <param name="StreamSeconds">Of each plain stream that this worker received.</param>
internal sealed record AllReduceResult(double[] Seconds, double CpuSeconds, double[] StreamSeconds, string Hash);

/// <summary>One process of <c>clipmoe bench allreduce</c>.</summary>
internal static class AllReduceWorker
{
    private const int WarmUps = 2, Streams = 3;

    public static void Run(TextReader input, TextWriter output)
    {
        var setup = Read<AllReduceSetup>(input);
        var settings = new TransportSettings { Log = Console.Error.WriteLine };
        using var listener = new BulkListener("127.0.0.1", new IPEndPoint(IPAddress.Loopback, 0), settings);
        using var plain = new PlainStream(setup.Unix);
        var endpoint = setup.Unix ? listener.Endpoint : listener.Endpoint with { UnixSocket = null };
        Write(output, new AllReducePlace(endpoint, plain.Address));
        var places = Read<AllReducePlace[]>(input);
        var members = places.Select(p => p.Endpoint).ToList();
        using var exchanges = new StreamExchanges(listener);
        var exchange = exchanges.Join(new ExchangeGeneration("bench", 0, setup.Rank, members));

        var tree = new ReductionTree(setup.Workers, setup.Gradients);
        // As a replica's gradients are.
        using var gradientMemory = SharedMemory.Create(checked((int)setup.Floats));
        using var sumMemory = SharedMemory.Create(checked((int)setup.Floats));
        var (gradient, sum) = (gradientMemory.Memory, sumMemory.Memory);
        for (var i = 0; i < gradient.Length; i++) gradient.Span[i] = 1f / (1 + (i + setup.Rank) % 1000);
        if (setup.Gradients == GradientFormat.Bf16) BFloat16.Round(gradient.Span, gradient.Span);
        var (seconds, streams, cpu, hash) = (new List<double>(), new List<double>(), TimeSpan.Zero, UInt128.Zero);
        MeasureStreams();
        for (var i = -WarmUps; i < setup.Repetitions; i++)
        {
            Meet();
            if (i == 0) cpu = Environment.CpuUsage.TotalTime;
            var clock = Stopwatch.StartNew();
            hash = exchange.Reduce(tree, [(new Subtree(setup.Rank, setup.Rank + 1), gradient)], sum);
            if (i >= 0) seconds.Add(clock.Elapsed.TotalSeconds);
        }

        cpu = Environment.CpuUsage.TotalTime - cpu;
        MeasureStreams();
        Write(output, new AllReduceResult([.. seconds], cpu.TotalSeconds, [.. streams], hash.ToString("x32")));

        void Meet() => exchange.Gather((IReadOnlyList<LossBlock>)[]);

        void MeasureStreams()
        {
            Meet();
            for (var i = 0; i < Streams; i++)
            {
                if (setup.Rank == 0) streams.Add(plain.Receive(sum.Span));
                if (setup.Rank == 1) PlainStream.Send(places[0].PlainStream, setup.Unix, gradient.Span);
            }

            Meet();
        }
    }

    private static T Read<T>(TextReader input) =>
        JsonSerializer.Deserialize<T>(input.ReadLine() ?? throw new IOException("the measurement was stopped"))!;

    private static void Write<T>(TextWriter output, T message)
    {
        output.WriteLine(JsonSerializer.Serialize(message));
        output.Flush();
    }
}
