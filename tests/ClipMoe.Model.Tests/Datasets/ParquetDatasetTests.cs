using System.Text;
using ClipMoe.Model.Datasets;
using Parquet;
using Parquet.Schema;

namespace ClipMoe.Model.Tests.Datasets;

public sealed class ParquetDatasetTests : IDisposable
{
    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Rows_of_all_groups_are_read()
    {
        _folder.Write("1.png", "image");
        await WriteTable(["1.png", "2.png", "3.png"], ["a dog", null, "a cat"], groups: 4);
        using var data = DatasetReader.Open(_folder.At("data.parquet"));
        Assert.Equal(DatasetFormat.Parquet, data.Format);
        Assert.Equal(12, data.Count);
        Assert.Equal("1.png", data.Key(9));
        Assert.Equal("a cat", data.Caption(11).Long);
        Assert.Equal("image", Encoding.UTF8.GetString(data.ReadImage(3).Span));
        Assert.Equal("empty caption", Assert.Throws<BadSampleException>(() => data.Caption(1)).Message);
    }

    [Fact]
    public async Task A_csv_of_the_same_rows_has_the_same_fingerprint()
    {
        await WriteTable(["1.png", "2.png"], ["a dog", "a cat"], groups: 1);
        _folder.Write("data.csv", "path,caption\n1.png,a dog\n2.png,a cat\n");
        using var parquet = DatasetReader.Open(_folder.At("data.parquet"));
        using var csv = DatasetReader.Open(_folder.At("data.csv"));
        Assert.Equal(csv.Fingerprint, parquet.Fingerprint);
    }

    [Fact]
    public async Task Columns_that_are_missing_or_no_strings_are_refused()
    {
        await WriteTable(["1.png"], ["a dog"], groups: 1);
        Assert.Contains("no alt among its columns id, path, caption", Refused(new ColumnNames(Caption: "alt")));
        Assert.Contains("holds no strings", Refused(new ColumnNames(Caption: "id")));
    }

    [Fact]
    public void What_is_no_parquet_is_refused()
    {
        _folder.Write("data.parquet", "path,caption\n1.png,dog\n");
        Assert.Contains("data.parquet", Refused(null));
        _folder.Write("data.parquet", "");
        Assert.Contains("data.parquet", Refused(null));
    }

    [Fact]
    public async Task Damaged_files_are_refused_or_read_and_never_crash()
    {
        await WriteTable([.. Enumerable.Range(0, 50).Select(i => $"{i}.png")], [.. Enumerable.Range(0, 50).Select(i => $"caption {i}")],
            groups: 1);
        var good = File.ReadAllBytes(_folder.At("data.parquet"));
        var random = new Random(3);
        var refused = 0;
        for (var trial = 0; trial < 300; trial++)
        {
            var bytes = trial % 3 == 0 ? good[..random.Next(good.Length)] : (byte[])good.Clone();
            for (var change = 0; change < 3 && bytes.Length > 0; change++)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            _folder.Write("data.parquet", bytes);
            var error = Record.Exception(() => DatasetReader.Open(_folder.At("data.parquet")).Dispose());
            Assert.True(error is null or UserErrorException, $"trial {trial}: {error}");
            refused += error is null ? 0 : 1;
        }

        Assert.InRange(refused, 100, 290);
    }

    private string Refused(ColumnNames? columns) =>
        Assert.Throws<UserErrorException>(() => DatasetReader.Open(_folder.At("data.parquet"), columns: columns)).Message;

    private async Task WriteTable(string[] paths, string?[] captions, int groups)
    {
        DataField id = new DataField<int>("id"), path = new DataField<string>("path", nullable: false),
            caption = new DataField<string>("caption");
        await using var stream = File.Create(_folder.At("data.parquet"));
        await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(id, path, caption), stream);
        for (var g = 0; g < groups; g++)
        {
            using var group = writer.CreateRowGroup();
            await group.WriteAsync<int>(id, Enumerable.Range(0, paths.Length).ToArray());
            await group.WriteAsync(path, paths);
            await group.WriteAsync(caption, captions!);
        }
    }
}
