using System.Buffers.Binary;
using System.Formats.Tar;
using System.Text;
using ClipMoe.Model.Datasets;

namespace ClipMoe.Model.Tests.Datasets;

public sealed class WebDatasetTests : IDisposable
{
    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(TarEntryFormat.V7), InlineData(TarEntryFormat.Ustar), InlineData(TarEntryFormat.Gnu), InlineData(TarEntryFormat.Pax)]
    public void Samples_are_read_in_place_whatever_the_headers(TarEntryFormat format)
    {
        WriteTar("s.tar", format, ("0001.jpg", "image 1"), ("0001.json", "{}"), ("0001.txt", "one"), ("0002.txt", "two"),
            ("0002.png", "image 2"));
        using var data = DatasetReader.Open(_folder.At("s.tar"));
        Assert.Equal(DatasetFormat.WebDataset, data.Format);
        Assert.Equal(["s.tar/0001", "s.tar/0002"], Enumerable.Range(0, data.Count).Select(data.Key));
        Assert.Equal(["one", "two"], Enumerable.Range(0, data.Count).Select(i => data.Caption(i).Long));
        Assert.Equal("image 2", Encoding.UTF8.GetString(data.ReadImage(1).Span));
    }

    [Theory]
    [InlineData(TarEntryFormat.Ustar, 140), InlineData(TarEntryFormat.Gnu, 3000), InlineData(TarEntryFormat.Pax, 3000)]
    public void Long_names_are_read(TarEntryFormat format, int length)
    {
        var name = string.Join('/', Enumerable.Repeat("näme-nine", length / 10));
        WriteTar("s.tar", format, ($"{name}/1.jpg", "image"), ($"{name}/1.txt", "one"), ("2.jpg", "image"), ("2.txt", "two"));
        using var data = DatasetReader.Open(_folder.At("s.tar"));
        Assert.Equal([$"s.tar/{name}/1", "s.tar/2"], Enumerable.Range(0, data.Count).Select(data.Key));
    }

    [Fact]
    public void A_folder_gives_its_shards_in_ordinal_order()
    {
        foreach (var shard in (int[])[10, 9, 0])
            WriteTar($"{shard:D3}.tar", TarEntryFormat.Pax, ($"{shard}.jpg", $"image {shard}"), ($"{shard}.txt", $"caption {shard}"));
        _folder.Write("005.tar", new byte[1024]);
        using var data = DatasetReader.Open(_folder.Root);
        Assert.Equal(["000.tar/0", "009.tar/9", "010.tar/10"], Enumerable.Range(0, data.Count).Select(data.Key));
        Assert.Equal(["caption 0", "caption 9", "caption 10"], Enumerable.Range(0, data.Count).Select(i => data.Caption(i).Long));

        using var pattern = DatasetReader.Open(_folder.At("{009..010}.tar"));
        Assert.Equal(["009.tar/9", "010.tar/10"], Enumerable.Range(0, pattern.Count).Select(pattern.Key));
    }

    [Theory]
    [InlineData("{000..005}.tar", "001.tar"), InlineData("{5..1}.tar", "{5..1}"), InlineData("{0..99999999}.tar", "not one of up to")]
    public void A_pattern_with_missing_shards_is_refused(string pattern, string expected)
    {
        WriteTar("000.tar", TarEntryFormat.Pax, ("1.jpg", "x"), ("1.txt", "x"));
        Assert.Contains(expected, Refused(pattern));
    }

    [Fact]
    public void Parts_of_a_sample_may_lie_apart_and_names_may_come_twice()
    {
        WriteTar(
            "s.tar", TarEntryFormat.Pax,
            ("./b.txt", "one"), ("./a.jpg", "image a"), ("./b.jpg", "image b"), ("./a.txt", "two"), ("./b.txt", "three"),
            ("./b.jpg", "image c"));
        using var data = DatasetReader.Open(_folder.At("s.tar"));
        Assert.Equal(
            ["s.tar/b one image b", "s.tar/a two image a", "s.tar/b three image c"],
            Enumerable.Range(0, data.Count)
            .Select(i => $"{data.Key(i)} {data.Caption(i).Long} {Encoding.UTF8.GetString(data.ReadImage(i).Span)}"));
    }

    [Fact]
    public void Incomplete_samples_are_bad_samples()
    {
        WriteTar(
            "s.tar", TarEntryFormat.Pax,
            ("1.jpg", "image"), ("2.txt", "two"), ("3.jpg", ""), ("3.txt", "three"), ("4.jpg", "image"), ("4.txt", ""),
            ("noext", "x"), (".x.jpg", "x"));
        using var data = DatasetReader.Open(_folder.At("s.tar"));
        var scan = DatasetScan.Run(data, _ => { }, CancellationToken.None);
        Assert.Equal(
            ["missing caption file", "missing image file", "empty image file", "empty caption file"],
            scan.Bad.Select(b => b.Reason));
        Assert.Empty(scan.Usable());
    }

    [Fact]
    public void A_truncated_tar_is_refused_wherever_it_ends()
    {
        WriteTar("s.tar", TarEntryFormat.Gnu, (new string('n', 200) + ".jpg", new string('x', 700)), ("1.txt", "one"));
        var whole = File.ReadAllBytes(_folder.At("s.tar"));
        var end = whole.AsSpan().LastIndexOfAnyExcept((byte)0) / 512 * 512 + 512;
        for (var length = 1; length <= end; length = length < end ? Math.Min(length + 37, end) : end + 1)
        {
            _folder.Write("s.tar", whole[..length]);
            Assert.Contains("truncated", Refused("s.tar"));
        }

        _folder.Write("s.tar", whole[..(end + 512)]);
        using var data = DatasetReader.Open(_folder.At("s.tar"));
        Assert.Equal(2, data.Count);
    }

    [Fact]
    public void A_size_beyond_the_end_is_refused_whatever_it_claims()
    {
        Assert.Contains("truncated", RefusedHeader(h => Octal(h, 124, "77777777777")));
        Assert.Contains("truncated", RefusedHeader(h =>
        {
            h.AsSpan(124, 12).Clear();
            h[124] = 0x80;
            BinaryPrimitives.WriteInt64BigEndian(h.AsSpan(128), long.MaxValue);
        }));
        Assert.Contains("impossible size", RefusedHeader(h => h.AsSpan(124, 12).Fill(0xFF)));
        Assert.Contains("no size", RefusedHeader(h => Octal(h, 124, "99999999999")));
        Assert.Contains("truncated", RefusedHeader(h => (h[156], _) = ((byte)'L', Octal(h, 124, "77777777777"))));
        Assert.Contains("wrong checksum", RefusedSecondHeader());
        _folder.Write("s.tar", "this is no tar at all, " + new string('x', 2000));
        Assert.Contains("no tar file", Refused("s.tar"));
    }

    [Theory]
    [InlineData("11 size=-5\n", "a size of"), InlineData("99999 path=x\n", "makes no sense"), InlineData("3\n", "makes no sense")]
    [InlineData("29 size=99999999999999999999\n", "a size of"), InlineData("x", "makes no sense")]
    public void Pax_headers_that_make_no_sense_are_refused(string pax, string expected)
    {
        var bytes = Header("pax", (byte)'x', pax.Length).Concat(Padded(pax)).Concat(Header("1.jpg", (byte)'0', 3)).Concat(Padded("abc"))
            .ToArray();
        _folder.Write("s.tar", bytes);
        Assert.Contains(expected, Refused("s.tar"));
    }

    [Fact]
    public void A_name_of_megabytes_is_refused()
    {
        const int length = 1 << 20;
        _folder.Write("s.tar", [.. Header("././@LongLink", (byte)'L', length), .. new byte[length + 1024]]);
        Assert.Contains($"a name of {length} bytes", Refused("s.tar"));
    }

    [Fact]
    public void An_index_is_kept_until_the_tar_changes()
    {
        WriteTar("s.tar", TarEntryFormat.Pax, ("1.jpg", "image"), ("1.txt", "one"));
        var first = Open();
        var index = Assert.Single(Directory.GetFiles(_folder.Outside));
        var tar = _folder.At("s.tar");
        var (bytes, time) = (File.ReadAllBytes(tar), File.GetLastWriteTimeUtc(tar));

        // With its size and time kept, a tar that holds no samples any more shows that the index is used.
        File.WriteAllBytes(tar, new byte[bytes.Length]);
        File.SetLastWriteTimeUtc(tar, time);
        Assert.Equal(first, Open());

        File.WriteAllBytes(tar, bytes);
        File.SetLastWriteTimeUtc(tar, time.AddSeconds(1));
        var damaged = File.ReadAllBytes(index);
        damaged[^1] ^= 1;
        File.WriteAllBytes(index, damaged);
        Assert.Equal(first, Open());

        WriteTar("s.tar", TarEntryFormat.Pax, ("1.jpg", "image"), ("1.txt", "another"));
        Assert.NotEqual(first, Open());

        string Open()
        {
            using var data = DatasetReader.Open(_folder.At("s.tar"), indexFolder: _folder.Outside);
            Assert.Equal("s.tar/1", data.Key(0));
            return data.Fingerprint;
        }
    }

    [Fact]
    public void A_linked_tar_outside_of_the_folder_is_refused()
    {
        WriteTar("s.tar", TarEntryFormat.Pax, ("1.jpg", "x"), ("1.txt", "x"));
        File.Move(_folder.At("s.tar"), Path.Join(_folder.Outside, "s.tar"));
        File.CreateSymbolicLink(_folder.At("s.tar"), Path.Join(_folder.Outside, "s.tar"));
        Assert.Contains("leaves the data set's root", Assert.Throws<UserErrorException>(() => DatasetReader.Open(_folder.Root)).Message);
    }

    [Fact]
    public void Random_bytes_in_a_tar_never_crash()
    {
        WriteTar("s.tar", TarEntryFormat.Pax, ("1.jpg", "image"), ("1.txt", "one"), (new string('n', 150) + ".jpg", "image"));
        var good = File.ReadAllBytes(_folder.At("s.tar"));
        var random = new Random(1);
        for (var trial = 0; trial < 500; trial++)
        {
            var bytes = (byte[])good.Clone();
            for (var change = 0; change < 4; change++)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            _folder.Write("s.tar", bytes);
            var error = Record.Exception(() => DatasetReader.Open(_folder.At("s.tar")).Dispose());
            Assert.True(error is null or UserErrorException, $"trial {trial}: {error}");
        }
    }

    private string Refused(string name) => Assert.Throws<UserErrorException>(() => DatasetReader.Open(_folder.At(name))).Message;

    private void WriteTar(string name, TarEntryFormat format, params (string Name, string Content)[] entries)
    {
        using var writer = new TarWriter(File.Create(_folder.At(name)), format);
        foreach (var (entryName, content) in entries)
        {
            TarEntry entry = format switch
            {
                TarEntryFormat.V7 => new V7TarEntry(TarEntryType.V7RegularFile, entryName),
                TarEntryFormat.Ustar => new UstarTarEntry(TarEntryType.RegularFile, entryName),
                TarEntryFormat.Gnu => new GnuTarEntry(TarEntryType.RegularFile, entryName),
                _ => new PaxTarEntry(TarEntryType.RegularFile, entryName),
            };
            entry.DataStream = new MemoryStream(Encoding.UTF8.GetBytes(content));
            writer.WriteEntry(entry);
        }
    }

    private string RefusedHeader(Action<byte[]> change)
    {
        var header = Header("1.jpg", (byte)'0', 3);
        change(header);
        SetChecksum(header);
        _folder.Write("s.tar", [.. header, .. Padded("abc")]);
        return Refused("s.tar");
    }

    private string RefusedSecondHeader()
    {
        var second = Header("1.txt", (byte)'0', 3);
        second[0] ^= 1;
        _folder.Write("s.tar", [.. Header("1.jpg", (byte)'0', 3), .. Padded("abc"), .. second, .. Padded("abc")]);
        return Refused("s.tar");
    }

    private static byte[] Header(string name, byte type, int size)
    {
        var header = new byte[512];
        Encoding.UTF8.GetBytes(name, header);
        Octal(header, 124, Convert.ToString(size, 8).PadLeft(11, '0'));
        header[156] = type;
        SetChecksum(header);
        return header;
    }

    private static bool Octal(byte[] header, int at, string digits) => Encoding.UTF8.GetBytes(digits, header.AsSpan(at)) > 0;

    private static void SetChecksum(byte[] header)
    {
        header.AsSpan(148, 8).Fill((byte)' ');
        Octal(header, 148, Convert.ToString(header.Sum(b => b), 8).PadLeft(6, '0') + "\0");
    }

    private static byte[] Padded(string content)
    {
        var bytes = new byte[(content.Length + 511) / 512 * 512];
        Encoding.UTF8.GetBytes(content, bytes);
        return bytes;
    }
}
