using System.Text;
using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Journal;
using ClipMoe.Actors.Tests.Protocol;

namespace ClipMoe.Actors.Tests.Journal;

/// <summary>What journals hold is read, and written as it was when it was recorded, whatever became of the C# names.</summary>
public sealed class RecordedEventsTests : IDisposable
{
    private static readonly Recording Events = new("recorded-events.txt");

    private readonly ActorSystem _system = ActorSystem.Create("recorded-events");

    public void Dispose() => _system.Terminate().Wait();

    [Fact]
    public void Every_event_with_every_member_and_every_value_is_written_as_recorded()
    {
        var serializer = new EventSerializer((ExtendedActorSystem)_system);
        var kinds = typeof(ExperimentEvent).Assembly.GetTypes()
            .Where(t => t.IsSubclassOf(typeof(ExperimentEvent)) || t.IsSubclassOf(typeof(SchedulerEvent)));
        Events.RequireAll(
            kinds.SelectMany(MessageSamples.All).Select(e => (serializer.Manifest(e), Encoding.UTF8.GetString(serializer.ToBinary(e)))));
    }

    [Fact]
    public void Every_recorded_event_is_read()
    {
        var serializer = new EventSerializer((ExtendedActorSystem)_system);
        Events.RequireReadable((manifest, json) =>
        {
            var read = EventSerializer.Read(Encoding.UTF8.GetBytes(json), manifest);
            Assert.Equal(manifest, serializer.Manifest(read));
            return Encoding.UTF8.GetString(serializer.ToBinary(read));
        });
    }
}
