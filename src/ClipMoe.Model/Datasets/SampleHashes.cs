using System.Collections.Concurrent;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using ClipMoe.Model.Files;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Datasets;

/// <summary>
/// What each sample of a data set was when it was scanned: a hash of caption and image bytes, and the stamp of its files, by which a later
/// look finds the few samples that are worth reading again. 24 bytes a sample, in memory and in a file.
/// </summary>
internal sealed class SampleHashes
{
    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    private readonly record struct SampleHash(UInt128 Content, ulong Stamp);

    private const int EntryBytes = 24;

    private readonly SampleHash[] _entries;

    public SampleHashes(int samples) => _entries = new SampleHash[samples];

    private SampleHashes(SampleHash[] entries) => _entries = entries;

    /// <summary>Hash of all samples in their order, in hexadecimal.</summary>
    public string Combined
    {
        get
        {
            var hash = new XxHash128();
            Span<byte> bytes = stackalloc byte[16];
            foreach (var entry in _entries)
            {
                BitConverter.TryWriteBytes(bytes, entry.Content);
                hash.Append(bytes);
            }

            return Convert.ToHexStringLower(hash.GetCurrentHash());
        }
    }

    /// <summary>Reads a sample and remembers what it is, bad or not. Call once per sample, from any thread.</summary>
    /// <exception cref="BadSampleException">The sample can't be read.</exception>
    public (Caption Caption, ReadOnlyMemory<byte> Image) Take(ICaptionedImages data, int index)
    {
        // Before the sample is read, so that a change meanwhile is seen later.
        var stamp = data.Stamp(index);
        try
        {
            var (caption, image) = (data.Caption(index), data.ReadImage(index));
            _entries[index] = new SampleHash(Hash(caption, image.Span), stamp);
            return (caption, image);
        }
        catch (BadSampleException e)
        {
            _entries[index] = new SampleHash(Hash(e), stamp);
            throw;
        }
    }

    private static UInt128 Hash(Caption caption, ReadOnlySpan<byte> image)
    {
        var text = Encoding.UTF8.GetBytes(caption.Long);
        var hash = new XxHash128(text.Length);
        hash.Append(text);
        hash.Append(image);
        return hash.GetCurrentHashAsUInt128();
    }

    /// <summary>Of a sample that can't be read: why.</summary>
    private static UInt128 Hash(BadSampleException bad) => XxHash128.HashToUInt128(Encoding.UTF8.GetBytes(bad.Message), seed: -1);

    /// <summary>Reads every sample again whose stamp is another; some sample that is not what it was, or null.</summary>
    public int? FindChanged(ICaptionedImages data)
    {
        var changed = new ConcurrentBag<int>();
        DedicatedThreads.For(_entries.Length, Environment.ProcessorCount, i =>
        {
            var stamp = data.Stamp(i);
            if ((stamp == 0 || stamp != _entries[i].Stamp) && Read(data, i) != _entries[i].Content) changed.Add(i);
        });
        return changed.IsEmpty ? null : changed.Min();
    }

    public void Save(string path) => AtomicFile.Write(path, stream =>
    {
        using var file = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
        foreach (var (content, stamp) in _entries)
        {
            file.Write((ulong)(content >> 64));
            file.Write((ulong)content);
            file.Write(stamp);
        }
    });

    /// <exception cref="InvalidDataException">The file has another number of samples.</exception>
    public static SampleHashes Load(string path, int samples)
    {
        using var file = new BinaryReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16));
        if (file.BaseStream.Length != (long)samples * EntryBytes) throw new InvalidDataException($"{path} is not of {samples} samples");
        var entries = new SampleHash[samples];
        for (var i = 0; i < samples; i++) entries[i] = new SampleHash(new UInt128(file.ReadUInt64(), file.ReadUInt64()), file.ReadUInt64());
        return new SampleHashes(entries);
    }

    private static UInt128 Read(ICaptionedImages data, int index)
    {
        try
        {
            return Hash(data.Caption(index), data.ReadImage(index).Span);
        }
        catch (BadSampleException e)
        {
            return Hash(e);
        }
    }
}
