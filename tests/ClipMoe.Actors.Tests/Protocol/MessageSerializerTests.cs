using System.Runtime.Serialization;
using Akka.Actor;
using ClipMoe.Actors.Hosting;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Tests.Protocol;

public sealed class MessageSerializerTests(MessageSerializerTests.OneSystem one) : IClassFixture<MessageSerializerTests.OneSystem>
{
    private readonly ActorSystem _system = one.System;

    /// <summary>Shared, since an actor system that was never in a cluster takes seconds to end.</summary>
    public sealed class OneSystem : IDisposable
    {
        public ActorSystem System { get; } = ActorSystem.Create(
            ClusterAddress.System, ClusterConfiguration.Create(new ClusterAddress("127.0.0.1", 0, [], [ClusterAddress.Worker])));

        public void Dispose() => System.Terminate().Wait();
    }

    public static TheoryData<Type, bool> Messages
    {
        get
        {
            var data = new TheoryData<Type, bool>();
            foreach (var type in MessageSerializer.Messages)
                foreach (var full in (bool[])[false, true])
                    data.Add(type, full);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Messages))]
    public void Every_message_survives_the_wire(Type type, bool full)
    {
        var message = MessageSamples.Of(type, full);
        var serializer = Assert.IsType<MessageSerializer>(_system.Serialization.FindSerializerFor(message));
        var bytes = serializer.ToBinary(message);
        var back = serializer.FromBinary(bytes, serializer.Manifest(message));
        Assert.IsType(type, back);
        Assert.Equivalent(message, back, strict: true);
        Assert.Equal(bytes, serializer.ToBinary(back));
    }

    [Fact]
    public void Every_message_that_names_its_way_between_processes_is_known()
    {
        // Messages that stay in a process: to and from the coordinator, its stages and the command line of the same process.
        Type[] local =
        [
            typeof(RetireWorker), typeof(WatchWorkers), typeof(WorkerArrived), typeof(WorkerGone), typeof(ListWorkers), typeof(WorkerList),
            typeof(RunExperiment), typeof(DrainAccepted),
            typeof(StopExperiment), typeof(PauseExperiment), typeof(ResumeExperiment), typeof(ReleaseWorker), typeof(WorkerReleased),
            typeof(JournalFact), typeof(FactJournaled), typeof(CompleteStage), typeof(StageStopped), typeof(StagePaused),
            typeof(StageFailed),
            typeof(HoldGeneration), typeof(GenerationHeld), typeof(StepProgress), typeof(ReplicasDisagree), typeof(StepOverdue),
        ];
        Assert.Empty(local.Intersect(MessageSerializer.Messages));
        var nested = new HashSet<Type>(PartsOf(MessageSerializer.Messages.Concat(local)));
        nested.UnionWith(PartsOf(nested).ToList());
        var unknown = typeof(MessageSerializer).Assembly.GetTypes()
            .Where(t => t is { Namespace: "ClipMoe.Actors.Protocol", IsPublic: true, IsEnum: false, IsAbstract: false })
            .Where(t => !t.IsAssignableTo(typeof(Akka.Serialization.Serializer)) && !t.IsAssignableTo(typeof(RunOutcome)))
            .Except(MessageSerializer.Messages).Except(local).Except(nested);
        Assert.Empty(unknown.Select(t => t.Name));

        static IEnumerable<Type> PartsOf(IEnumerable<Type> messages) =>
            messages.SelectMany(m => m.GetProperties()).SelectMany(p => p.PropertyType.GenericTypeArguments.Prepend(p.PropertyType));
    }

    [Fact]
    public void Every_command_to_the_scheduler_is_a_message()
    {
        var commands = typeof(ISchedulerCommand).Assembly.GetTypes().Where(t => t.IsClass && t.IsAssignableTo(typeof(ISchedulerCommand)));
        Assert.Empty(commands.Except(MessageSerializer.Messages));
    }

    [Theory]
    [InlineData("system-diagnostics")]
    [InlineData("HoldGeneration")]
    [InlineData("ClipMoe.Actors.Protocol.WorkerHello, ClipMoe.Actors")]
    public void A_manifest_that_is_not_on_the_list_is_refused_by_name(string manifest)
    {
        var serializer = new MessageSerializer((ExtendedActorSystem)_system);
        Assert.Contains(manifest, Assert.Throws<SerializationException>(() => serializer.FromBinary("{}"u8.ToArray(), manifest)).Message);
    }

    [Fact]
    public void What_is_no_message_between_processes_is_neither_sent_nor_made()
    {
        var serializer = Assert.IsType<RefusingSerializer>(_system.Serialization.FindSerializerFor(new HoldGeneration()));
        Assert.Contains(nameof(HoldGeneration),
            Assert.Throws<SerializationException>(() => serializer.ToBinary(new HoldGeneration())).Message);
        Assert.Throws<SerializationException>(() => serializer.FromBinary("{}"u8.ToArray(), typeof(HoldGeneration)));
        var own = new MessageSerializer((ExtendedActorSystem)_system);
        Assert.Throws<ArgumentException>(() => own.Manifest(new HoldGeneration()));
    }
}
