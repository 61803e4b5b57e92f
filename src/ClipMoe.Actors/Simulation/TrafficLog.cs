using System.Diagnostics;
using System.Text;
using System.Threading.Channels;
using Akka.Actor;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Simulation;

/// <summary>Counts the messages of an actor system to and from others, and marks every commit.</summary>
internal sealed class TrafficLog : IExtension
{
    private readonly Channel<CommitMark> _commits = Channel.CreateUnbounded<CommitMark>();
    private readonly Lock _gate = new();
    private Traffic _sent;
    private Traffic _received;
    private StepId? _last;

    public static TrafficLog Get(ActorSystem system) => system.WithExtension<TrafficLog, Provider>();

    /// <summary>In order.</summary>
    public ChannelReader<CommitMark> Commits => _commits.Reader;

    /// <summary>No more commits will come.</summary>
    /// <param name="cause">Thrown in whatever waits for one.</param>
    public void End(Exception? cause) => _commits.Writer.TryComplete(cause);

    public void Sent(object message, string manifest, byte[] bytes)
    {
        lock (_gate)
        {
            // A step that is committed again by the next generation is another commit.
            if (message is CommitStep { Id: var id } && id != _last) Mark(id);
            _sent = Add(_sent, manifest, bytes);
        }
    }

    public void Received(string manifest, byte[] bytes)
    {
        lock (_gate) _received = Add(_received, manifest, bytes);
    }

    private static Traffic Add(Traffic traffic, string manifest, byte[] bytes) =>
        new(traffic.Messages + 1, traffic.Bytes + Encoding.UTF8.GetByteCount(manifest) + bytes.Length);

    private void Mark(StepId id)
    {
        _last = id;
        _commits.Writer.TryWrite(new CommitMark(
            id.Generation, id.Step, Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime, _sent, _received));
    }

    private sealed class Provider : ExtensionIdProvider<TrafficLog>
    {
        public override TrafficLog CreateExtension(ExtendedActorSystem system) => new();
    }
}
