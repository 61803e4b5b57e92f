using Google.Protobuf;

namespace ClipMoe.Nodes.Tests.Dashboard.TensorBoard;

/// <summary>The fields of a protobuf message without its definition: numbers as their bits, everything else as bytes.</summary>
internal sealed class ProtoMessage
{
    private readonly List<(int Field, ulong Number, byte[]? Bytes)> _fields = [];

    public ProtoMessage(ReadOnlySpan<byte> bytes)
    {
        var input = new CodedInputStream(bytes.ToArray());
        while (input.ReadTag() is var tag and not 0)
        {
            var field = WireFormat.GetTagFieldNumber(tag);
            _fields.Add(WireFormat.GetTagWireType(tag) switch
            {
                WireFormat.WireType.Varint => (field, input.ReadUInt64(), null),
                WireFormat.WireType.Fixed64 => (field, input.ReadFixed64(), null),
                WireFormat.WireType.Fixed32 => (field, input.ReadFixed32(), null),
                WireFormat.WireType.LengthDelimited => (field, 0, input.ReadBytes().ToByteArray()),
                var other => throw new InvalidDataException(other.ToString()),
            });
        }
    }

    public ulong Number(int field) => _fields.Single(f => f.Field == field).Number;

    public string Text(int field) => System.Text.Encoding.UTF8.GetString(_fields.Single(f => f.Field == field).Bytes!);

    public double[] Doubles(int field) =>
        System.Runtime.InteropServices.MemoryMarshal.Cast<byte, double>(_fields.Single(f => f.Field == field).Bytes!).ToArray();

    public ProtoMessage? Message(int field) => Messages(field).SingleOrDefault();

    public IEnumerable<ProtoMessage> Messages(int field) => _fields.Where(f => f.Field == field).Select(f => new ProtoMessage(f.Bytes));
}
