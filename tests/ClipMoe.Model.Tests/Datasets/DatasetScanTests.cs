using System.Collections.Concurrent;
using System.Text;
using ClipMoe.Model.Datasets;

namespace ClipMoe.Model.Tests.Datasets;

public sealed class DatasetScanTests : IDisposable
{
    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Bad_samples_are_found_and_the_others_kept_in_order()
    {
        for (var i = 0; i < 30; i++)
            _folder.WritePair($"{i:D2}", $"caption {i}");
        _folder.Write("03.png", "corrupt");
        File.Delete(_folder.At("07.txt"));
        _folder.Write("11.txt", "  ");
        using var data = DatasetReader.Open(_folder.Root);
        var seen = new ConcurrentBag<int>();

        var scan = DatasetScan.Run(data, Check, CancellationToken.None, s => seen.Add(s.Index));

        Assert.Equal(
            [new(3, "03.png", "corrupt image"), new(7, "07.png", "missing caption file"), new BadSample(11, "11.png", "empty caption")],
            scan.Bad);
        Assert.Equal(Enumerable.Range(0, 30).Except([3, 7, 11]), scan.Usable());
        Assert.Equal(scan.Usable(), seen.Order());
    }

    [Fact]
    public void A_saved_scan_is_the_same_when_loaded()
    {
        using var data = new MemoryDataset(10) { Bad = { 2, 5 } };
        var scan = DatasetScan.Run(data, Check, CancellationToken.None);
        Assert.Null(DatasetScan.Load(_folder.Root, data));
        scan.Save(_folder.Root);
        Assert.Equal(scan.Bad, DatasetScan.Load(_folder.Root, data)!.Bad);
        Assert.Equal(
            ["""{"index":2,"key":"2","reason":"missing image file"}""", """{"index":5,"key":"5","reason":"missing image file"}"""],
            File.ReadAllLines(_folder.At(DatasetScan.BadSamplesFile)));
    }

    [Fact]
    public void Data_that_changed_since_the_scan_is_refused()
    {
        using var data = new MemoryDataset(10);
        DatasetScan.Run(data, Check, CancellationToken.None).Save(_folder.Root);
        using var changed = new MemoryDataset(11) { Fingerprint = "other" };
        var message = Assert.Throws<UserErrorException>(() => DatasetScan.Load(_folder.Root, changed)).Message;
        Assert.Contains("10 samples", message);
        Assert.Contains("11 now", message);
    }

    [Theory]
    [InlineData("07.txt", "caption X", false)]
    [InlineData("07.txt", "caption 7", true)]
    [InlineData("03.png", "corrupX", false)]
    [InlineData("03.png", "corrupt", true)]
    public void An_edit_that_keeps_names_and_sizes_is_found_and_a_touched_file_is_read_again(string name, string content, bool isSame)
    {
        for (var i = 0; i < 10; i++)
            _folder.WritePair($"{i:D2}", $"caption {i}");
        _folder.Write("03.png", "corrupt");
        var run = _folder.At("run");
        using var before = DatasetReader.Open(_folder.Root);
        var scan = DatasetScan.Run(before, Check, CancellationToken.None);
        Directory.CreateDirectory(run);
        scan.Save(run);

        _folder.Write(name, content);
        File.SetLastWriteTimeUtc(_folder.At(name), DateTime.UtcNow.AddHours(1));
        using var after = DatasetReader.Open(_folder.Root);

        Assert.Equal(before.Fingerprint, after.Fingerprint);
        Assert.Equal(isSame, scan.ContentHash == DatasetScan.Run(after, Check, CancellationToken.None).ContentHash);
        if (isSame)
        {
            Assert.Equal(scan.ContentHash, DatasetScan.Load(run, after)!.ContentHash);
            return;
        }

        var changed = Path.ChangeExtension(name, ".png");
        Assert.Contains($"the content of {changed} differs", Assert.Throws<UserErrorException>(() => DatasetScan.Load(run, after)).Message);
        // A machine that only helps has no table of the files' times.
        File.Delete(Path.Join(run, DatasetScan.SamplesFile));
        Assert.Equal(scan.Bad, DatasetScan.Load(run, after)!.Bad);
    }

    [Theory]
    [InlineData("scan.json", "{"), InlineData("scan.json", "null")]
    [InlineData("bad-samples.jsonl", ""), InlineData("bad-samples.jsonl", "[[[["), InlineData("bad-samples.jsonl", "null"),
        InlineData("scan-samples.bin", "short")]
    public void A_damaged_scan_is_refused(string file, string content)
    {
        using var data = new MemoryDataset(10) { Bad = { 2 } };
        DatasetScan.Run(data, Check, CancellationToken.None).Save(_folder.Root);
        _folder.Write(file, content);
        Assert.Contains("damaged", Assert.Throws<UserErrorException>(() => DatasetScan.Load(_folder.Root, data)).Message);
    }

    [Theory]
    [InlineData(0.01, true), InlineData(0.02, false), InlineData(0, true), InlineData(1, false)]
    public void Too_many_bad_samples_stop_the_run(double maxBadFraction, bool stops)
    {
        using var data = new MemoryDataset(100) { Bad = { 2, 5 } };
        var scan = DatasetScan.Run(data, Check, CancellationToken.None);
        var error = Record.Exception(() => scan.RequireAtMost(maxBadFraction, _folder.Root));
        Assert.Equal(stops, error is UserErrorException);
        if (stops)
            Assert.Contains("2 of the 100 samples of memory can't be used (2 missing image file)", error!.Message);
    }

    [Fact]
    public void A_scan_can_be_cancelled()
    {
        using var data = new MemoryDataset(100_000);
        using var cancellation = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => DatasetScan.Run(
            data,
            _ => cancellation.Cancel(),
            cancellation.Token));
    }

    [Fact]
    public void A_fault_of_the_check_itself_is_no_bad_sample()
    {
        using var data = new MemoryDataset(100);
        Assert.Throws<DivideByZeroException>(() => DatasetScan.Run(data, _ => throw new DivideByZeroException(), CancellationToken.None));
    }

    private static void Check(ReadOnlyMemory<byte> file)
    {
        if (Encoding.UTF8.GetString(file.Span) == "corrupt")
            throw new BadSampleException("corrupt image");
    }
}
