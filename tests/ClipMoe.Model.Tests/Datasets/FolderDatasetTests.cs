using System.Text;
using ClipMoe.Model.Datasets;

namespace ClipMoe.Model.Tests.Datasets;

public sealed class FolderDatasetTests : IDisposable
{
    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Pairs_are_found_at_any_depth_in_ordinal_order()
    {
        foreach (var name in (string[])["b", "a/x/2", "a/10", "a/9", "B", "a-b/1"])
            _folder.WritePair(name, $"caption of {name}");
        _folder.Write("a/9.json", "{}");
        _folder.Write("README.txt", "no image has this name");
        _folder.Write(".hidden/3.png", "not looked at");
        _folder.Write("._b.png", "not looked at");

        using var data = DatasetReader.Open(_folder.Root);

        Assert.Equal(DatasetFormat.Folder, data.Format);
        Assert.Equal(["B.png", "b.png", "a/10.png", "a/9.png", "a/x/2.png", "a-b/1.png"], Keys(data));
        Assert.Equal("caption of a/9", data.Caption(3).Long);
        Assert.Equal("image a/9", Encoding.UTF8.GetString(data.ReadImage(3).Span));
    }

    [Theory]
    [InlineData("jpg"), InlineData("JPEG"), InlineData("webp"), InlineData("gif"), InlineData("bmp"), InlineData("tif"), InlineData("TIFF")]
    public void Every_image_extension_counts(string extension)
    {
        _folder.Write($"a.{extension}", "image");
        _folder.Write("a.txt", "caption");
        using var data = DatasetReader.Open(_folder.Root);
        Assert.Equal("caption", data.Caption(0).Long);
    }

    [Fact]
    public void Long_and_short_captions_are_the_references()
    {
        _folder.WritePair("a", "A dog.\nIt runs. Fast.\n");
        using var data = DatasetReader.Open(_folder.Root);
        Assert.Equal(new Caption("A dog. It runs. Fast.", "A dog"), data.Caption(0));
    }

    [Fact]
    public void Of_a_caption_with_translations_only_the_first_line_counts()
    {
        _folder.WritePair("a", "A paw print.\nca@valencia.utf8=Una empremta.\nde.utf8=Ein Pfotenabdruck.\n");
        using var data = DatasetReader.Open(_folder.Root);
        Assert.Equal("A paw print.", data.Caption(0).Long);
    }

    [Fact]
    public void A_byte_order_mark_is_no_part_of_a_caption()
    {
        _folder.WritePair("a", "\uFEFFa dog");
        using var data = DatasetReader.Open(_folder.Root);
        Assert.Equal("a dog", data.Caption(0).Long);
    }

    [Fact]
    public void Unusable_captions_and_images_say_why()
    {
        _folder.Write("missing.png", "image");
        _folder.WritePair("empty", " \n ");
        _folder.Write("latin.png", "image");
        _folder.Write("latin.txt", [(byte)'a', 0xE9, (byte)'b']);
        _folder.WritePair("huge", new string('a', (1 << 20) + 1));
        _folder.Write("hollow.png", "");
        _folder.Write("hollow.txt", "caption");
        using var data = DatasetReader.Open(_folder.Root);
        var index = Keys(data).Select((key, i) => (key, i)).ToDictionary(p => p.key, p => p.i);

        Assert.Equal("missing caption file", Reason(() => data.Caption(index["missing.png"])));
        Assert.Equal("empty caption", Reason(() => data.Caption(index["empty.png"])));
        Assert.Equal("caption is not UTF-8", Reason(() => data.Caption(index["latin.png"])));
        Assert.Equal("caption file larger than 1 MiB", Reason(() => data.Caption(index["huge.png"])));
        Assert.Equal("empty image file", Reason(() => data.ReadImage(index["hollow.png"])));
    }

    [Fact]
    public void Links_may_point_anywhere_inside_of_the_root_and_nowhere_else()
    {
        _folder.WritePair("sub/real", "caption");
        _folder.Write("../root-outside/secret.png", "secret");
        _folder.Write("../root-outside/secret.txt", "secret");
        File.CreateSymbolicLink(_folder.At("inside.png"), "sub/real.png");
        File.CreateSymbolicLink(_folder.At("inside.txt"), "sub/real.txt");
        File.CreateSymbolicLink(_folder.At("outside.png"), "../root-outside/secret.png");
        File.CreateSymbolicLink(_folder.At("outside.txt"), "../root-outside/secret.txt");
        File.CreateSymbolicLink(_folder.At("circle.png"), "circle.png");
        Directory.CreateSymbolicLink(_folder.At("same"), "sub");
        Directory.CreateSymbolicLink(_folder.At("upwards"), "..");

        using var data = DatasetReader.Open(_folder.Root);

        Assert.Equal(["circle.png", "inside.png", "outside.png", "upwards", "sub/real.png"], Keys(data));
        Assert.Equal("image sub/real", Encoding.UTF8.GetString(data.ReadImage(1).Span));
        Assert.Equal("caption", data.Caption(1).Long);
        Assert.Equal("symbolic links in a circle", Reason(() => data.ReadImage(0)));
        Assert.Equal("symbolic link leaves the data set's root", Reason(() => data.ReadImage(2)));
        Assert.Equal("symbolic link leaves the data set's root", Reason(() => data.Caption(2)));
        Assert.Equal("symbolic link leaves the data set's root", Reason(() => data.ReadImage(3)));
    }

    [Fact]
    public void The_root_may_be_a_link()
    {
        _folder.WritePair("a", "caption");
        var link = Path.Join(_folder.Outside, "link");
        Directory.CreateSymbolicLink(link, _folder.Root);
        using var data = DatasetReader.Open(link);
        Assert.Equal("image a", Encoding.UTF8.GetString(data.ReadImage(0).Span));
    }

    [Fact]
    public void The_fingerprint_depends_on_names_and_sizes_and_not_on_place_or_time()
    {
        _folder.WritePair("a", "one");
        _folder.WritePair("b/c", "two");
        var first = Fingerprint(_folder.Root);
        File.SetLastWriteTimeUtc(_folder.At("a.png"), DateTime.UnixEpoch);
        var moved = Path.Join(_folder.Outside, "moved");
        Directory.Move(_folder.Root, moved);
        Assert.Equal(first, Fingerprint(moved));
        Directory.Move(moved, _folder.Root);

        Assert.NotEqual(first, After(() => _folder.Write("a.txt", "four")));
        _folder.Write("a.txt", "one");
        Assert.NotEqual(first, After(() => _folder.Write("a.png", "another image")));
        _folder.WritePair("a", "one");
        Assert.Equal(first, Fingerprint(_folder.Root));
        Assert.NotEqual(first, After(() => File.Move(_folder.At("b/c.png"), _folder.At("b/d.png"))));

        string After(Action change)
        {
            change();
            return Fingerprint(_folder.Root);
        }
    }

    [Fact]
    public void A_named_pipe_is_a_bad_sample_and_not_a_hang()
    {
        _folder.Write("pipe.txt", "caption");
        using (var mkfifo = System.Diagnostics.Process.Start("mkfifo", _folder.At("pipe.png")))
            mkfifo.WaitForExit();
        using var data = DatasetReader.Open(_folder.Root);
        Assert.Equal("empty image file", Reason(() => data.ReadImage(0)));
    }

    [Fact]
    public void Train_and_test_folders_are_a_given_split()
    {
        _folder.WritePair("train/a", "x");
        _folder.WritePair("train/deep/b", "x");
        _folder.WritePair("val/c", "x");
        _folder.WritePair("test/d", "x");
        using var data = DatasetReader.Open(_folder.Root);
        Assert.Equal(
            [SampleSplit.Test, SampleSplit.Train, SampleSplit.Train, SampleSplit.Validation],
            Enumerable.Range(0, data.Count).Select(data.GivenSplit));
    }

    [Fact]
    public void A_folder_beside_train_and_test_means_that_no_split_is_given()
    {
        _folder.WritePair("train/a", "x");
        _folder.WritePair("test/b", "x");
        _folder.WritePair("more/c", "x");
        using var data = DatasetReader.Open(_folder.Root);
        Assert.Null(data.GivenSplit(0));
    }

    [Fact]
    public void A_folder_without_images_is_refused()
    {
        _folder.Write("a.txt", "caption");
        var error = Assert.Throws<UserErrorException>(() => DatasetReader.Open(_folder.Root));
        Assert.Contains("holds no images", error.Message);
        Assert.Contains(_folder.Root, error.Message);
    }

    [Fact]
    public void A_path_that_is_not_there_is_refused() =>
        Assert.Contains("nowhere", Assert.Throws<UserErrorException>(() => DatasetReader.Open(_folder.At("nowhere"))).Message);

    private static string Fingerprint(string root)
    {
        using var data = DatasetReader.Open(root);
        return data.Fingerprint;
    }

    private static string[] Keys(ICaptionedImages data) => [.. Enumerable.Range(0, data.Count).Select(data.Key)];

    private static string Reason(Func<object> read) => Assert.Throws<BadSampleException>(() => { read(); }).Message;
}
