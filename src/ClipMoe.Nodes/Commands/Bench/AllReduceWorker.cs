using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Streams;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;

namespace ClipMoe.Nodes.Commands.Bench;

/// <summary>What a worker of the measurement is told first.</summary>
internal sealed record AllReduceSetup(int Workers, long Floats, bool Unix, GradientFormat Gradients, int Repetitions, int Rank = 0);

/// <summary>Where a worker can be reached: by the others' exchanges, and by a plain socket.</summary>
internal sealed record AllReducePlace(BulkEndpoint Endpoint, string PlainSocket);

/// <param name="Seconds">Of each repetition, from when all workers were ready to when this one had the sum.</param>
/// <param name="CpuSeconds">Processor time of all repetitions together.</param>
/// <param name="StreamSeconds">Of each plain stream that this worker received.</param>
internal sealed record AllReduceResult(double[] Seconds, double CpuSeconds, double[] StreamSeconds, string Hash);

/// <summary>One process of <c>clipmoe bench allreduce</c>.</summary>
internal static class AllReduceWorker
{
    private const int WarmUps = 2, Streams = 3, StreamBuffer = 1 << 18;

    public static void Run(TextReader input, TextWriter output)
    {
        var setup = Read<AllReduceSetup>(input);
        using var listener = new BulkListener("127.0.0.1", new IPEndPoint(IPAddress.Loopback, 0), new TransportSettings { Log = Console.Error.WriteLine });
        using var plain = setup.Unix ? Listen(AddressFamily.Unix, UnixAddress($"clipmoe-bench-{Guid.NewGuid():n}")) : Listen(AddressFamily.InterNetwork, new IPEndPoint(IPAddress.Loopback, 0));
        var endpoint = setup.Unix ? listener.Endpoint : listener.Endpoint with { UnixSocket = null };
        Write(output, new AllReducePlace(endpoint, setup.Unix ? plain.LocalEndPoint!.ToString()!.TrimStart('@', '\0') : plain.LocalEndPoint!.ToString()!));
        var places = Read<AllReducePlace[]>(input);
        using var exchanges = new StreamExchanges(listener);
        var exchange = exchanges.Join(new ExchangeGeneration("bench", 0, setup.Rank, [.. places.Select(p => p.Endpoint)]) { Gradients = setup.Gradients });

        var tree = new ReductionTree(setup.Workers);
        var gradient = new float[setup.Floats];
        for (var i = 0; i < gradient.Length; i++) gradient[i] = 1f / (1 + (i + setup.Rank) % 1000);
        var sum = new float[setup.Floats];
        var (seconds, streams, hash) = (new List<double>(), new List<double>(), UInt128.Zero);
        Stream();
        var cpu = TimeSpan.Zero;
        for (var i = -WarmUps; i < setup.Repetitions; i++)
        {
            Meet();
            if (i == 0) cpu = Environment.CpuUsage.TotalTime;
            var clock = Stopwatch.StartNew();
            hash = exchange.Reduce(tree, [(new Subtree(setup.Rank, setup.Rank + 1), gradient)], sum);
            if (i >= 0) seconds.Add(clock.Elapsed.TotalSeconds);
        }

        cpu = Environment.CpuUsage.TotalTime - cpu;
        Stream();
        Meet();
        Write(output, new AllReduceResult([.. seconds], cpu.TotalSeconds, [.. streams], hash.ToString("x32")));

        void Meet() => exchange.Gather((IReadOnlyList<LeafNormalisers>)[]);

        void Stream()
        {
            Meet();
            for (var i = 0; i < Streams && setup is { Workers: > 1, Rank: 0 }; i++) streams.Add(Receive(plain, sum));
            for (var i = 0; i < Streams && setup.Rank == 1; i++) Send(places[0].PlainSocket, setup.Unix, gradient);
            Meet();
        }
    }

    private static double Receive(Socket listener, float[] destination)
    {
        using var socket = listener.Accept();
        var bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(destination.AsSpan());
        var clock = Stopwatch.StartNew();
        for (var done = 0; done < bytes.Length;) done += socket.Receive(bytes.Slice(done, Math.Min(StreamBuffer, bytes.Length - done)));
        return clock.Elapsed.TotalSeconds;
    }

    private static void Send(string address, bool unix, float[] source)
    {
        using var socket = unix
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(unix ? UnixAddress(address) : IPEndPoint.Parse(address));
        var bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(source.AsSpan());
        for (var done = 0; done < bytes.Length;) done += socket.Send(bytes.Slice(done, Math.Min(StreamBuffer, bytes.Length - done)));
    }

    private static Socket Listen(AddressFamily family, EndPoint address)
    {
        var socket = new Socket(family, SocketType.Stream, family == AddressFamily.Unix ? ProtocolType.Unspecified : ProtocolType.Tcp);
        socket.Bind(address);
        socket.Listen();
        return socket;
    }

    private static UnixDomainSocketEndPoint UnixAddress(string name) => new($"\0{name}");

    private static T Read<T>(TextReader input) =>
        JsonSerializer.Deserialize<T>(input.ReadLine() ?? throw new IOException("the measurement was stopped"))!;

    private static void Write<T>(TextWriter output, T message)
    {
        output.WriteLine(JsonSerializer.Serialize(message));
        output.Flush();
    }
}
