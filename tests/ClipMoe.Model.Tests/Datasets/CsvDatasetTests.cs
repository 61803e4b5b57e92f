using System.Text;
using ClipMoe.Model.Datasets;

namespace ClipMoe.Model.Tests.Datasets;

public sealed class CsvDatasetTests : IDisposable
{
    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("path,caption\na/1.png,a dog\n", "data.csv")]
    [InlineData("filepath\ttitle\na/1.png\ta dog\n", "data.tsv")]
    [InlineData("id;text;Image\n7;a dog;a/1.png", "data.csv")]
    [InlineData("\uFEFF\"file\",\"caption\"\r\n\"a/1.png\",\"a dog\"\r\n", "data.csv")]
    public void Columns_and_separator_are_found(string csv, string file)
    {
        _folder.Write("a/1.png", "image");
        _folder.Write(file, csv);
        using var data = DatasetReader.Open(_folder.At(file));
        Assert.Equal(DatasetFormat.Csv, data.Format);
        Assert.Equal("a/1.png", data.Key(0));
        Assert.Equal("a dog", data.Caption(0).Long);
        Assert.Equal("image", Encoding.UTF8.GetString(data.ReadImage(0).Span));
    }

    [Fact]
    public void Columns_can_be_named()
    {
        _folder.Write("data.csv", "path,caption,alt,where\nx,y,a dog,1.png\n");
        using var data = DatasetReader.Open(_folder.At("data.csv"), columns: new ColumnNames("where", "alt"));
        Assert.Equal("1.png", data.Key(0));
        Assert.Equal("a dog", data.Caption(0).Long);
    }

    [Fact]
    public void Quotes_commas_and_line_breaks_belong_to_the_caption()
    {
        _folder.Write("data.csv", "path,caption\n1.png,\"a \"\"big\"\" dog, \nbrown\"\n2.png,a 5\" screen\n");
        using var data = DatasetReader.Open(_folder.At("data.csv"));
        Assert.Equal("a \"big\" dog,  brown", data.Caption(0).Long);
        Assert.Equal("a 5\" screen", data.Caption(1).Long);
    }

    [Theory]
    [InlineData("name,caption\n1.png,dog\n", "no column for the path of the image")]
    [InlineData("path,name\n1.png,dog\n", "no column for the caption")]
    [InlineData("", "no column")]
    [InlineData("path,caption\n", "no rows")]
    [InlineData("path,caption\n1.png,\"never closed\n2.png,dog\n3.png,dog\n", "never closed")]
    public void Tables_that_are_none_are_refused(string csv, string expected)
    {
        _folder.Write("data.csv", csv);
        var message = Assert.Throws<UserErrorException>(() => DatasetReader.Open(_folder.At("data.csv"))).Message;
        Assert.Contains(expected, message);
        Assert.Contains("data.csv", message);
    }

    [Fact]
    public void An_open_quote_in_a_large_file_does_not_swallow_it()
    {
        _folder.Write("data.csv", "path,caption\n1.png,\"" + new string('x', 20 << 20));
        Assert.Throws<UserErrorException>(() => DatasetReader.Open(_folder.At("data.csv")));
    }

    [Fact]
    public void Rows_that_can_not_be_used_are_bad_samples()
    {
        _folder.Write("1.png", "image");
        _folder.Write("hollow.png", "");
        _folder.Write("../root-outside/secret.png", "secret");
        Directory.CreateSymbolicLink(_folder.At("out"), _folder.Outside);
        var csv = "path,caption\n1.png,good\n,no path\n1.png,\nhollow.png,x\n../root-outside/secret.png,x\n" +
            $"{_folder.Outside}/secret.png,x\nout/secret.png,x\nmissing.png,x\n" +
            $"sub/../1.png,good\n{_folder.Root}/1.png,good\n1.png\n1.png,L\n";
        var bytes = Encoding.UTF8.GetBytes(csv);
        bytes[^2] = 0xE9;
        _folder.Write("data.csv", bytes);
        using var data = DatasetReader.Open(_folder.At("data.csv"));

        var scan = DatasetScan.Run(data, _ => { }, CancellationToken.None);

        Assert.Equal([0, 8, 9], scan.Usable());
        Assert.Equal(
            [
                "empty image path", "empty caption", "empty image file", "path leaves the data set's root",
                "path leaves the data set's root",
                "symbolic link leaves the data set's root", "missing image file", "empty caption", "caption is not UTF-8",
            ],
            scan.Bad.Select(b => b.Reason));
    }

    [Fact]
    public void All_captions_of_an_image_fall_on_one_side_of_the_split()
    {
        var rows = Enumerable.Range(0, 200).Select(i => $"{i / 5}.png,caption {i}");
        _folder.Write("data.csv", "path,caption\n" + string.Join('\n', rows));
        using var data = DatasetReader.Open(_folder.At("data.csv"));
        var splits = DatasetSplits.Create(data, [.. Enumerable.Range(0, 200)], seed: 1, test: 42);
        Assert.Equal(45, splits.Test.Length);
        Assert.Empty(splits.Test.Select(data.Key).Intersect(splits.Train.Select(data.Key)));
    }
}
