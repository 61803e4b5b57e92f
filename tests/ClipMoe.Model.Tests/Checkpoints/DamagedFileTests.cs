using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Tests.Checkpoints;

/// <summary>Files cut off, changed in places, or rearranged: each is either refused with a sentence or read, in little memory.</summary>
public sealed class DamagedFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Archives => [.. Fixtures.Matching("*.pt").Select(f => Path.GetFileName(f))];

    public static TheoryData<string> Files =>
        [.. Fixtures.Matching("*.pt").Concat(Fixtures.Matching("*.safetensors")).Select(f => Path.GetFileName(f))];

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_fixture_is_read_whole(string name)
    {
        using var file = TensorFile.Open(Fixtures.Path(name));
        Assert.NotEmpty(file.Tensors);
        Assert.All(file.Tensors, t => Assert.Equal(t.ByteLength, file.ReadBytes(t.Name).Length));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void A_file_cut_off_anywhere_is_refused(string name)
    {
        var bytes = File.ReadAllBytes(Fixtures.Path(name));
        int[] cuts = [0, 1, 3, 4, 7, 8, 9, 30, 64, .. Enumerable.Range(1, 30).Select(i => (int)((long)bytes.Length * i / 31)),
            .. Enumerable.Range(1, 30).Select(i => bytes.Length - i)];
        foreach (var length in cuts.Where(c => c < bytes.Length))
            Assert.IsType<UserErrorException>(Record.Exception(() => ReadAll(bytes[..length])));
    }

    /// <summary>An archive has checksums of all that matters: a flipped bit is found, or changes nothing.</summary>
    [FixtureFact("mcl_pseudo_labels.pt")]
    public void No_flipped_bit_of_an_archive_changes_what_is_read()
    {
        var bytes = File.ReadAllBytes(Fixtures.Path("mcl_pseudo_labels.pt"));
        var whole = ReadAll(bytes).Bytes;
        for (var at = 0; at < bytes.Length; at++)
        {
            var bit = (byte)(1 << at % 8);
            bytes[at] ^= bit;
            var error = Record.Exception(() => Assert.Equal(whole, ReadAll(bytes).Bytes));
            Assert.True(error is null or UserErrorException, $"bit {at % 8} of byte {at}: {error}");
            bytes[at] ^= bit;
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Random_changes_never_do_worse_than_a_refusal(string name)
    {
        var bytes = File.ReadAllBytes(Fixtures.Path(name));
        var random = new Random(7);
        // What is not elements stands at the ends: a header or pickle, and the directory.
        var structure = Math.Min(bytes.Length / 2, 24_000);
        for (var round = 0; round < 40; round++)
        {
            var changed = Mutate(bytes, random, at => random.Next(2) == 0 ? at % structure : bytes.Length - 1 - at % structure);
            AssertRefusedOrRead(changed, $"{name}, round {round}");
        }
    }

    /// <summary>
    /// The checksum would stop nearly every change before the unpickler sees it, so the archive is built anew around each one.
    /// </summary>
    [Theory]
    [MemberData(nameof(Archives))]
    public void Random_changes_of_a_pickle_never_do_worse_than_a_refusal(string name)
    {
        var records = Records(Fixtures.Path(name));
        var pickle = records["data.pkl"];
        records.Remove("data.pkl");
        (string, byte[], CompressionLevel)[] storages =
            [.. records.Select(r => ($"archive/{r.Key}", r.Value, CompressionLevel.NoCompression))];
        var random = new Random(11);
        for (var round = 0; round < 40; round++)
        {
            Pickle.WriteArchive(_folder.File("x.pt"), Mutate(pickle, random, at => at % pickle.Length), storages);
            AssertRefusedOrRead(File.ReadAllBytes(_folder.File("x.pt")), $"{name}, round {round}");
        }
    }

    [Fact]
    public void An_archive_whose_directory_is_zip64_throughout_is_read()
    {
        Pickle.WriteArchive(_folder.File("x.pt"), Pickle.Of(Pickle.Dict(("w", Pickle.Six(0, [6], [1])))));
        var bytes = ToZip64(File.ReadAllBytes(_folder.File("x.pt")));
        File.WriteAllBytes(_folder.File("x.pt"), bytes);
        using var file = TensorFile.Open(_folder.File("x.pt"));
        Assert.Equal([0, 1, 2, 3, 4, 5], file.ReadFloats("w"));

        var random = new Random(13);
        for (var round = 0; round < 300; round++)
            AssertRefusedOrRead(Mutate(bytes, random, at => bytes.Length - 1 - at % 300), $"zip64, round {round}");
    }

    [Fact]
    public void A_directory_that_claims_much_is_refused_in_little_memory()
    {
        Pickle.WriteArchive(_folder.File("x.pt"), Pickle.Of("N"));
        var bytes = ToZip64(File.ReadAllBytes(_folder.File("x.pt")));
        var end = bytes.Length - 22 - 20 - 56;
        (int, ulong)[] claims = [(32, 1UL << 40), (32, ulong.MaxValue), (40, 1UL << 60), (40, ulong.MaxValue), (48, 1UL << 62),
            (48, ulong.MaxValue)];
        foreach (var (at, value) in claims)
        {
            var changed = bytes.ToArray();
            BinaryPrimitives.WriteUInt64LittleEndian(changed.AsSpan(end + at), value);
            Assert.IsType<UserErrorException>(Record.Exception(() => ReadAll(changed)));
            AssertRefusedOrRead(changed, $"{at} {value}");
        }
    }

    private void AssertRefusedOrRead(byte[] bytes, string what)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Record.Exception(() => ReadAll(bytes));
        Assert.True(error is null or UserErrorException, $"{what}: {error}");
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (32 << 20) + 80L * bytes.Length);
    }

    private (IReadOnlyList<TensorInfo> Tensors, byte[] Bytes) ReadAll(byte[] content)
    {
        File.WriteAllBytes(_folder.File("read"), content);
        using var file = TensorFile.Open(_folder.File("read"));
        return (file.Tensors, [.. file.Tensors.SelectMany(t => file.ReadBytes(t.Name))]);
    }

    private static Dictionary<string, byte[]> Records(string archive)
    {
        using var zip = ZipFile.OpenRead(archive);
        var entries = zip.Entries.Where(e => e.FullName.Split('/')[1] is "data.pkl" or "data");
        return entries.ToDictionary(e => e.FullName[(e.FullName.IndexOf('/') + 1)..], e =>
        {
            using var record = e.Open();
            var bytes = new byte[e.Length];
            record.ReadExactly(bytes);
            return bytes;
        });
    }

    /// <summary>
    /// Changes a few bytes, or repeats, removes or overwrites a stretch, at places that <paramref name="place"/> chooses.
    /// </summary>
    private static byte[] Mutate(byte[] bytes, Random random, Func<int, int> place)
    {
        var result = bytes.ToList();
        for (var i = random.Next(1, 5); i > 0; i--)
        {
            var at = Math.Min(place(random.Next()), result.Count - 1);
            var length = Math.Min(random.Next(1, 12), result.Count - at);
            switch (random.Next(5))
            {
                case 0:
                    result[at] = (byte)random.Next(256);
                    break;
                case 1:
                    result.InsertRange(at, result.GetRange(at, length));
                    break;
                case 2:
                    result.RemoveRange(at, length);
                    break;
                case 3:
                    for (var j = 0; j < length; j++) result[at + j] = 0xff;
                    break;
                default:
                    result[at] ^= (byte)(1 << random.Next(8));
                    break;
            }
        }

        return [.. result];
    }

    /// <summary>Rewrites the directory so that every size and offset stands in a zip64 field.</summary>
    private static byte[] ToZip64(byte[] zip)
    {
        var end = zip.AsSpan(zip.Length - 22);
        int start = BinaryPrimitives.ReadInt32LittleEndian(end[16..]), count = BinaryPrimitives.ReadUInt16LittleEndian(end[10..]);
        using var result = new MemoryStream();
        result.Write(zip.AsSpan(0, start));
        var rest = zip.AsSpan(start);
        for (var i = 0; i < count; i++)
        {
            var nameLength = BinaryPrimitives.ReadUInt16LittleEndian(rest[28..]);
            var entry = rest[..46].ToArray();
            byte[] extra = [1, 0, 24, 0, .. BitConverter.GetBytes((long)BinaryPrimitives.ReadUInt32LittleEndian(rest[24..])),
                .. BitConverter.GetBytes((long)BinaryPrimitives.ReadUInt32LittleEndian(rest[20..])),
                .. BitConverter.GetBytes((long)BinaryPrimitives.ReadUInt32LittleEndian(rest[42..]))];
            entry.AsSpan(20, 8).Fill(0xff);
            entry.AsSpan(42, 4).Fill(0xff);
            BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(30), (ushort)extra.Length);
            result.Write(entry);
            result.Write(rest.Slice(46, nameLength));
            result.Write(extra);
            rest = rest[(46 + nameLength + BinaryPrimitives.ReadUInt16LittleEndian(rest[30..]))..];
        }

        var directoryEnd = result.Position;
        var number = BitConverter.GetBytes((long)count);
        result.Write(Pickle.Raw("PK\u0006\u0006", BitConverter.GetBytes(44L), new byte[12], number, number,
            BitConverter.GetBytes(directoryEnd - start), BitConverter.GetBytes((long)start)));
        result.Write(Pickle.Raw("PK\u0006\u0007", new byte[4], BitConverter.GetBytes(directoryEnd), BitConverter.GetBytes(1)));
        result.Write(Pickle.Raw("PK\u0005\u0006", new byte[4], Enumerable.Repeat((byte)0xff, 12).ToArray(), new byte[2]));
        return result.ToArray();
    }
}
