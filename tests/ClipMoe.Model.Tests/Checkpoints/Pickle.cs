using System.IO.Compression;
using System.Text;

namespace ClipMoe.Model.Tests.Checkpoints;

/// <summary>Pieces of pickles, right and wrong ones, and archives around them.</summary>
internal static class Pickle
{
    public static byte[] Of(params object[] pieces) => Raw([new byte[] { 0x80, 2 }, .. pieces, "."]);

    /// <summary>Joins texts (as Latin-1), byte arrays and single bytes.</summary>
    public static byte[] Raw(params object[] pieces) => [.. pieces.SelectMany(p => p switch
    {
        byte[] bytes => bytes,
        int single => [(byte)single],
        _ => Encoding.Latin1.GetBytes((string)p),
    })];

    public static byte[] Text(string text) => Raw("X", BitConverter.GetBytes(Encoding.UTF8.GetByteCount(text)),
        Encoding.UTF8.GetBytes(text));

    public static byte[] Number(long value) => Raw(0x8a, 8, BitConverter.GetBytes(value));

    public static byte[] Tuple(params long[] values) => Raw(["(", .. values.Select(Number), "t"]);

    public static byte[] Global(string module, string name) => Raw($"c{module}\n{name}\n");

    public static byte[] Storage(string type, string key, long count) =>
        Raw("(", Text("storage"), Global("torch", type), Text(key), Text("cpu"), Number(count), "tQ");

    public static byte[] Tensor(byte[] storage, long offset, long[] shape, long[] strides) =>
        Raw(Global("torch._utils", "_rebuild_tensor_v2"), "(", storage, Number(offset), Tuple(shape), Tuple(strides), 0x89, "NtR");

    /// <summary>Six fp32 elements, 0 to 5, in storage 0.</summary>
    public static byte[] Six(long offset, long[] shape, long[] strides) => Tensor(Storage("FloatStorage", "0", 6), offset, shape, strides);

    public static byte[] Dict(params (string Key, byte[] Value)[] items) =>
        Raw(["}(", .. items.SelectMany(i => new object[] { Text(i.Key), i.Value }), "u"]);

    /// <summary>
    /// An archive with this pickle and the storage of <see cref="Six"/>; more records, or other bytes for these, as given.
    /// </summary>
    public static void WriteArchive(string path, byte[] pickle, params (string Name, byte[] Bytes, CompressionLevel Level)[] more)
    {
        var six = Enumerable.Range(0, 6).SelectMany(i => BitConverter.GetBytes((float)i)).ToArray();
        var records = new List<(string Name, byte[] Bytes, CompressionLevel Level)>
        {
            ("archive/data.pkl", pickle, CompressionLevel.NoCompression), ("archive/data/0", six, CompressionLevel.NoCompression),
        };
        records.RemoveAll(r => more.Any(m => m.Name == r.Name));
        using var zip = new ZipArchive(File.Create(path), ZipArchiveMode.Create);
        foreach (var (name, bytes, level) in records.Concat(more))
        {
            using var entry = zip.CreateEntry(name, level).Open();
            entry.Write(bytes);
        }
    }
}
