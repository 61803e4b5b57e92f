using System.IO.Compression;
using System.Text;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport.Nccl;
using ClipMoe.Model.Metrics;

namespace ClipMoe.Actors.Tests.Protocol;

/// <summary>What processes send each other is what it was when it was recorded, whatever became of the C# names.</summary>
public sealed class RecordedMessagesTests(MessageSerializerTests.OneSystem one) : IClassFixture<MessageSerializerTests.OneSystem>
{
    private static readonly Recording Messages = new("recorded-messages.txt"), Others = new("recorded-other-messages.txt");

    private readonly MessageSerializer _serializer = new((Akka.Actor.ExtendedActorSystem)one.System);

    [Fact]
    public void Every_message_with_every_member_and_every_value_is_written_as_recorded() => Messages.RequireAll(
        MessageSerializer.Messages.SelectMany(MessageSamples.All).Select(m => (_serializer.Manifest(m), Written(m))));

    [Fact]
    public void Every_recorded_message_is_read() => Messages.RequireReadable((manifest, json) =>
    {
        var message = _serializer.FromBinary(Encoding.UTF8.GetBytes(json), manifest);
        Assert.Equal(manifest, _serializer.Manifest(message));
        return Written(message);
    });

    [Fact]
    public void What_is_packed_within_messages_is_as_recorded()
    {
        Others.RequireAll(
        [
            .. MessageSamples.All(typeof(GenerationMember)).Select(m => ("members", Unpacked(MemberDirectory.Pack([(GenerationMember)m])))),
            .. MessageSamples.All(typeof(MetricColumns)).Select(c => ("metric-columns", Unpacked(MetricReport.Pack([(MetricColumns)c])))),
            .. MessageSamples.All(typeof(NcclOffer)).Select(o => ("nccl-offer", Encoding.UTF8.GetString(((NcclOffer)o).Encode()))),
        ]);
        Others.RequireReadable((name, json) => name switch
        {
            "members" => Unpacked(MemberDirectory.Pack(Introduced(json))),
            "metric-columns" => Unpacked(MetricReport.Pack(new MetricReport([]) { Layout = Packed(json) }.ReadLayout()!)),
            "nccl-offer" => Encoding.UTF8.GetString(NcclOffer.Decode(Encoding.UTF8.GetBytes(json)).Encode()),
            _ => throw new InvalidDataException(name),
        });
    }

    private string Written(object message) => Encoding.UTF8.GetString(_serializer.ToBinary(message));

    private static IReadOnlyList<GenerationMember> Introduced(string json)
    {
        using var recorded = System.Text.Json.JsonDocument.Parse(json);
        var workers = MemberDirectory.Ranges(recorded.RootElement.EnumerateArray().Select(m => m.GetProperty("Worker").GetInt32()));
        return new MemberDirectory().MembersOf(new OpenGeneration("", 0, 0, workers, Packed(json), default, 0, CatchUp.InPlace, []));
    }

    private static byte[] Packed(string json)
    {
        using var packed = new MemoryStream();
        using (var brotli = new BrotliStream(packed, CompressionLevel.Optimal)) brotli.Write(Encoding.UTF8.GetBytes(json));
        return packed.ToArray();
    }

    private static string Unpacked(byte[] packed)
    {
        using var brotli = new StreamReader(new BrotliStream(new MemoryStream(packed), CompressionMode.Decompress));
        return brotli.ReadToEnd();
    }
}
