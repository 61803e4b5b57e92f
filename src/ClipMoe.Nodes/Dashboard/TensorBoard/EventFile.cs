using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace ClipMoe.Nodes.Dashboard.TensorBoard;

/// <summary>
/// A TensorBoard event file: TFRecords (length, its masked CRC-32C, payload, its masked CRC-32C) whose payloads are <c>Event</c> messages
/// in protobuf. Only scalars, histograms and session starts are written.
/// </summary>
internal sealed class EventFile : IDisposable
{
    private static int _files;

    private readonly FileStream _file;
    private readonly TimeProvider _clock;

    /// <summary>Begins a new file in <paramref name="folder"/>; TensorBoard joins all files of a folder to one run.</summary>
    public EventFile(string folder, TimeProvider clock)
    {
        _clock = clock;
        Directory.CreateDirectory(folder);
        // TensorBoard reads the files of a folder in the order of their names.
        var number = Interlocked.Increment(ref _files);
        var name = $"events.out.tfevents.{clock.GetUtcNow().ToUnixTimeMilliseconds()}.{Environment.ProcessId}.{number:d6}";
        _file = new FileStream(Path.Combine(folder, name), FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 1 << 14);
        var version = new ProtoWriter();
        version.Text(field: 3, "brain.Event:2");
        Write(0, version);
    }

    /// <summary>
    /// From here on steps count from <paramref name="step"/>: TensorBoard forgets what earlier files say about it and later ones.
    /// </summary>
    public void StartSession(int step)
    {
        var (session, message) = (new ProtoWriter(), new ProtoWriter());
        session.Number(field: 1, 1);
        message.Message(field: 7, session);
        Write(step, message);
    }

    /// <param name="histograms">Counts of the values 0, 1, 2 and so on.</param>
    public void Summary(
        int step, IEnumerable<(string Tag, double Value)> scalars, IEnumerable<(string Tag, IReadOnlyList<double> Counts)> histograms)
    {
        var summary = new ProtoWriter();
        foreach (var (tag, value) in scalars)
        {
            var entry = new ProtoWriter();
            entry.Text(field: 1, tag);
            entry.Float(field: 2, (float)value);
            summary.Message(field: 1, entry);
        }
        foreach (var (tag, counts) in histograms)
        {
            var entry = new ProtoWriter();
            entry.Text(field: 1, tag);
            entry.Message(field: 5, Histogram(counts));
            summary.Message(field: 1, entry);
        }
        var message = new ProtoWriter();
        message.Message(field: 5, summary);
        Write(step, message);
    }

    /// <summary>A bucket around each value; the first begins at the minimum, the last ends at the maximum.</summary>
    private static ProtoWriter Histogram(IReadOnlyList<double> counts)
    {
        var histogram = new ProtoWriter();
        histogram.Double(field: 1, -0.5);
        histogram.Double(field: 2, counts.Count - 0.5);
        histogram.Double(field: 3, counts.Sum());
        histogram.Double(field: 4, counts.Select((c, value) => c * value).Sum());
        histogram.Double(field: 5, counts.Select((c, value) => c * value * value).Sum());
        histogram.Doubles(field: 6, [.. counts.Select((_, value) => value + 0.5)]);
        histogram.Doubles(field: 7, counts);
        return histogram;
    }

    public void Flush() => _file.Flush();

    public void Dispose() => _file.Dispose();

    private void Write(int step, ProtoWriter content)
    {
        var message = new ProtoWriter();
        message.Double(field: 1, _clock.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0);
        message.Number(field: 2, step);
        byte[] payload = [.. message.Bytes, .. content.Bytes];

        Span<byte> header = stackalloc byte[12], footer = stackalloc byte[4];
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)payload.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], MaskedCrc(header[..8]));
        BinaryPrimitives.WriteUInt32LittleEndian(footer, MaskedCrc(payload));
        _file.Write(header);
        _file.Write(payload);
        _file.Write(footer);
    }

    /// <summary>Rotated and shifted, so that a CRC of data that holds CRCs stays a good one.</summary>
    private static uint MaskedCrc(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes) crc = BitOperations.Crc32C(crc, value);
        return BitOperations.RotateRight(~crc, 15) + 0xa282ead8;
    }

    /// <summary>The few protobuf encodings that events need.</summary>
    private sealed class ProtoWriter
    {
        private const int VarInt = 0, Fixed64 = 1, Delimited = 2, Fixed32 = 5;

        private readonly List<byte> _bytes = [];

        public IReadOnlyList<byte> Bytes => _bytes;

        public void Number(int field, long value)
        {
            Key(field, VarInt);
            Plain((ulong)value);
        }

        public void Double(int field, double value)
        {
            Key(field, Fixed64);
            Span<byte> bytes = stackalloc byte[8];
            BinaryPrimitives.WriteDoubleLittleEndian(bytes, value);
            _bytes.AddRange(bytes);
        }

        public void Doubles(int field, IReadOnlyList<double> values)
        {
            var bytes = new byte[8 * values.Count];
            for (var i = 0; i < values.Count; i++) BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(8 * i), values[i]);
            Block(field, bytes);
        }

        public void Float(int field, float value)
        {
            Key(field, Fixed32);
            Span<byte> bytes = stackalloc byte[4];
            BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
            _bytes.AddRange(bytes);
        }

        public void Text(int field, string text) => Block(field, Encoding.UTF8.GetBytes(text));

        public void Message(int field, ProtoWriter message) => Block(field, message._bytes);

        private void Block(int field, IReadOnlyCollection<byte> bytes)
        {
            Key(field, Delimited);
            Plain((ulong)bytes.Count);
            _bytes.AddRange(bytes);
        }

        private void Key(int field, int wireType) => Plain((ulong)(field << 3 | wireType));

        private void Plain(ulong value)
        {
            for (; value >= 0x80; value >>= 7) _bytes.Add((byte)(value | 0x80));
            _bytes.Add((byte)value);
        }
    }
}
