using System.Text;
using ClipMoe.Model.Datasets;

namespace ClipMoe.Model.Tests.Datasets;

/// <summary>Samples without files: image i is the number i as text. <c>Bad</c> indices have no readable image.</summary>
internal sealed class MemoryDataset(int count) : ICaptionedImages
{
    public HashSet<int> Bad { get; } = [];
    public string Name => "memory";
    public DatasetFormat Format => DatasetFormat.Folder;
    public int Count => count;
    public string Fingerprint { get; set; } = "f00";
    public string Key(int index) => $"{index}";
    public Caption Caption(int index) => new($"sample {index}. more", $"sample {index}");
    public ulong Stamp(int index) => 1;
    public SampleSplit? GivenSplit(int index) => null;

    public ReadOnlyMemory<byte> ReadImage(int index) =>
        Bad.Contains(index) ? throw new BadSampleException("missing image file") : Encoding.UTF8.GetBytes($"{index}");

    public void Dispose()
    {
    }

    /// <summary>Fills the pixels with bytes that only this image has.</summary>
    public static void Prepare(ReadOnlyMemory<byte> file, Span<byte> pixels)
    {
        var index = int.Parse(Encoding.UTF8.GetString(file.Span));
        for (var i = 0; i < pixels.Length; i++)
            pixels[i] = (byte)(index * 31 + i * 7 + (index >> 3));
    }
}
