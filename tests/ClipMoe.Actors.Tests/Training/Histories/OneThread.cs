using Akka.Actor;
using Akka.Configuration;
using Akka.TestKit;

namespace ClipMoe.Actors.Tests.Training.Histories;

/// <summary>
/// Actors that take in a message before its sender continues, and timers that go by virtual time: what they do is the same again each time.
/// No actor that runs elsewhere may tell them anything, so they neither log nor listen to the event stream.
/// </summary>
public sealed class OneThread : IDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create("one-thread", ConfigurationFactory.ParseString("""
        akka {
          loglevel = OFF
          stdout-loglevel = OFF
          log-dead-letters = off
          scheduler.implementation = "Akka.TestKit.TestScheduler, Akka.TestKit"
          actor.default-dispatcher.type = "Akka.TestKit.CallingThreadDispatcherConfigurator, Akka.TestKit"
        }
        """));

    private readonly IActorRef _root;

    public OneThread()
    {
        _root = _system.ActorOf(Props.Create(() => new Root()));
        // Actors at the top begin on another thread.
        _root.Ask<ActorIdentity>(new Identify(null)).GetAwaiter().GetResult();
    }

    public IActorRefProvider Provider => ((ExtendedActorSystem)_system).Provider;

    /// <summary>Makes an actor, which has begun when this returns.</summary>
    public void Begin<T>(Func<T> actor) where T : ActorBase => _root.Tell(Made.By(actor));

    public void Pass(TimeSpan time) => ((TestScheduler)_system.Scheduler).Advance(time);

    public void Dispose() => _system.Terminate().GetAwaiter().GetResult();

    private sealed class Root : ReceiveActor
    {
        public Root() => Receive<Props>(p => Context.ActorOf(p));
    }

    /// <summary>Much faster than an expression that is compiled each time.</summary>
    public sealed class Made(Type type, Func<ActorBase> produce) : IIndirectActorProducer
    {
        public static Props By<T>(Func<T> produce) where T : ActorBase => Props.CreateBy(new Made(typeof(T), produce));

        public Type ActorType => type;

        public ActorBase Produce() => produce();

        public void Release(ActorBase actor)
        {
        }
    }
}
