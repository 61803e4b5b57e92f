using Akka.Actor;
using ClipMoe.Actors.Training;

namespace ClipMoe.Actors.Tests.Training.Histories;

/// <summary>Has the session as its child, and hears what it says.</summary>
internal sealed class ModelCoordinator : ReceiveActor
{
    private readonly TrainingWorld _world;

    public ModelCoordinator(TrainingWorld world, Func<TrainingSession> session)
    {
        _world = world;
        _world.Coordinator = Self;
        ReceiveAny(world.Said);
        _world.Session = Context.ActorOf(OneThread.Made.By(session), "session");
    }

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(e =>
    {
        _world.Check(false, $"the session failed: {e}");
        return Directive.Stop;
    });
}

/// <summary>A worker as session and aggregators address it.</summary>
internal sealed class Outbox(TrainingWorld world, ModelWorker worker, IActorRefProvider provider) : MinimalActorRef
{
    public override ActorPath Path { get; } = new RootActorPath(Address.AllSystems) / $"worker-{worker.Number}";

    public override IActorRefProvider Provider => provider;

    protected override void TellInternal(object message, IActorRef sender) => world.Order(worker, message, sender);
}
