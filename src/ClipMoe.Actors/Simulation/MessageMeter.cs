using Akka.Actor;
using Akka.Serialization;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Simulation;

/// <summary>
/// The serializer of messages, which has its system's <see cref="TrafficLog"/> count what passes. A system may make several of it.
/// </summary>
internal sealed class MessageMeter(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private readonly MessageSerializer _messages = new(system);

    // Extensions are there only after the serializers.
    private readonly Lazy<TrafficLog> _log = new(() => TrafficLog.Get(system));

    public override int Identifier => _messages.Identifier;

    public override string Manifest(object o) => _messages.Manifest(o);

    public override byte[] ToBinary(object obj)
    {
        var bytes = _messages.ToBinary(obj);
        _log.Value.Sent(obj, Manifest(obj), bytes);
        return bytes;
    }

    public override object FromBinary(byte[] bytes, string manifest)
    {
        var message = _messages.FromBinary(bytes, manifest);
        _log.Value.Received(manifest, bytes);
        return message;
    }
}
