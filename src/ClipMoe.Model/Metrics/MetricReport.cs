using System.Buffers.Binary;
using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Serialization;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Model.Metrics;

/// <summary>What the values of one node of the reduction tree mean, in order.</summary>
public sealed record MetricColumns(int From, int To, IReadOnlyList<Metric> Metrics);

/// <summary>
/// Bags as they travel: their values, little-endian, and their layout, unless it is that of the same sender's report before.
/// </summary>
/// <param name="Values">Of all columns, one after another.</param>
public sealed record MetricReport(byte[] Values)
{
    /// <summary>The columns, packed: names have much in common. Null: as in the sender's report before this one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public byte[]? Layout { get; init; }

    /// <summary>The layout that this report brings; null if it is unchanged.</summary>
    public IReadOnlyList<MetricColumns>? ReadLayout()
    {
        if (Layout is null) return null;
        using var brotli = new BrotliStream(new MemoryStream(Layout), CompressionMode.Decompress);
        return JsonSerializer.Deserialize<IReadOnlyList<MetricColumns>>(brotli)
            ?? throw new InvalidDataException("metrics without columns came");
    }

    internal static MetricReport Create(
        IReadOnlyList<(Subtree Node, MetricBag Bag)> parts, IReadOnlyList<MetricColumns> layout, bool isKnown)
    {
        var bytes = new byte[layout.Sum(Size)];
        var at = 0;
        foreach (var (metric, values) in parts.SelectMany(p => p.Bag))
        {
            foreach (var value in values)
            {
                if (metric.Exact) BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(at), value);
                else BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(at), (float)value);
                at += Width(metric);
            }
        }

        return new MetricReport(bytes) { Layout = isKnown ? null : Pack(layout) };
    }

    /// <param name="layout">Of the last report of the same sender that brought one, this one included.</param>
    /// <exception cref="InvalidDataException">The values are not of that layout.</exception>
    public IReadOnlyList<(Subtree Node, MetricBag Bag)> Read(IReadOnlyList<MetricColumns> layout)
    {
        if (layout.Sum(Size) != Values.Length)
            throw new InvalidDataException($"{Values.Length} bytes of metrics came, not {layout.Sum(Size)}");
        var at = 0;
        return [.. layout.Select(columns => (new Subtree(columns.From, columns.To), Read(columns, ref at)))];
    }

    private MetricBag Read(MetricColumns columns, ref int at)
    {
        var bag = new MetricBag();
        foreach (var metric in columns.Metrics)
        {
            var values = new double[metric.Bins];
            foreach (ref var value in values.AsSpan())
            {
                value = metric.Exact
                    ? BinaryPrimitives.ReadDoubleLittleEndian(Values.AsSpan(at))
                    : BinaryPrimitives.ReadSingleLittleEndian(Values.AsSpan(at));
                at += Width(metric);
            }

            bag.Add(metric, values);
        }

        return bag;
    }

    /// <summary>As a report brings them.</summary>
    public static byte[] Pack(IReadOnlyList<MetricColumns> layout)
    {
        using var packed = new MemoryStream();
        using (var brotli = new BrotliStream(packed, CompressionLevel.Optimal)) JsonSerializer.Serialize(brotli, layout);
        return packed.ToArray();
    }

    private static int Size(MetricColumns columns) => columns.Metrics.Sum(m => m.Bins * Width(m));

    private static int Width(Metric metric) => metric.Exact ? sizeof(double) : sizeof(float);
}
