using System.Threading.Channels;
using Akka.Actor;

namespace ClipMoe.Actors.Tests;

/// <summary>Passes what it is told out of the actor system.</summary>
internal sealed class Outlet : ReceiveActor
{
    public Outlet(ChannelWriter<object> writer) => ReceiveAny(m => writer.TryWrite(m));
}
