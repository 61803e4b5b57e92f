using System.Text;
using System.Text.Json;
using ClipMoe.Model.Datasets;

namespace ClipMoe.Model.Tests.Datasets;

public sealed class ShareGpt4VDatasetTests : IDisposable
{
    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Long_caption_short_caption_and_image_are_the_references()
    {
        _folder.Write("coco/1.jpg", "image 1");
        _folder.Write("share.json", Entries(("coco/1.jpg", "In the image,\na dog runs. It is brown. \nIt barks.")));
        using var data = DatasetReader.Open(_folder.At("share.json"));

        Assert.Equal(DatasetFormat.ShareGpt4V, data.Format);
        Assert.Equal("coco/1.jpg", data.Key(0));
        Assert.Equal(new Caption("In the image, a dog runs. It is brown.  It barks.", "In the image, a dog runs"), data.Caption(0));
        Assert.Equal("image 1", Encoding.UTF8.GetString(data.ReadImage(0).Span));
        Assert.Null(data.GivenSplit(0));
    }

    [Fact]
    public void Images_lie_below_the_image_root()
    {
        _folder.Write("../root-outside/1.jpg", "image 1");
        _folder.Write("share.json", Entries(("1.jpg", "a dog")));
        using var data = DatasetReader.Open(_folder.At("share.json"), imageRoot: _folder.Outside);
        Assert.Equal("image 1", Encoding.UTF8.GetString(data.ReadImage(0).Span));
        Assert.Contains("nowhere", Refused("share.json", _folder.At("nowhere")));
    }

    [Fact]
    public void The_first_ten_thousand_are_for_validation_as_in_the_reference()
    {
        _folder.Write("share.json", Entries([.. Enumerable.Range(0, 10_003).Select(i => ($"{i}.jpg", $"caption {i}"))]));
        using var data = DatasetReader.Open(_folder.At("share.json"));
        var splits = DatasetSplits.Create(data, [.. Enumerable.Range(0, data.Count)], 0, 0.1);
        Assert.Equal([10_000, 10_001, 10_002], splits.Train);
        Assert.Equal(Enumerable.Range(0, 10_000), splits.Validation);
        Assert.Equal("caption 10002", data.Caption(10_002).Long);
    }

    [Fact]
    public void Bad_entries_are_bad_samples_and_leave_the_others_alone()
    {
        var json = Encoding.UTF8.GetBytes("""
            [
              {"image": "a.jpg", "conversations": [{"value": "q"}, {"value": "good"}]},
              null, 7, "text", [1, [2]], {},
              {"image": 5, "conversations": [{"value": "q"}, {"value": "no image"}]},
              {"image": "b.jpg", "conversations": [{"value": "q"}]},
              {"image": "c.jpg", "conversations": [{"value": "q"}, {"value": 3}]},
              {"image": "d.jpg", "conversations": {"1": {"value": "x"}}},
              {"image": "e.jpg", "nested": {"image": "no.jpg"}, "conversations": [{}, {"value": "LATIN"}]},
              {"image": "../root-outside/f.jpg", "conversations": [{}, {"value": "escapes"}]},
              {"image": "/etc/passwd", "conversations": [{}, {"value": "escapes"}]},
              {"conversations": [{}, {"value": "image last"}], "image": "z.jpg"}
            ]
            """);
        json[json.AsSpan().IndexOf("LATIN"u8)] = 0xE9;
        _folder.Write("share.json", json);
        _folder.Write("a.jpg", "image");
        _folder.Write("z.jpg", "image");
        _folder.Write("../root-outside/f.jpg", "secret");
        using var data = DatasetReader.Open(_folder.At("share.json"));

        Assert.Equal(14, data.Count);
        var scan = DatasetScan.Run(data, _ => { }, CancellationToken.None);

        Assert.Equal([0, 13], scan.Usable());
        string[] reasons =
        [
            .. Enumerable.Repeat("bad JSON entry: no conversations[1].value", 5), "bad JSON entry: no image",
            .. Enumerable.Repeat("bad JSON entry: no conversations[1].value", 3), "bad JSON entry: not UTF-8",
            "path leaves the data set's root", "path leaves the data set's root",
        ];
        Assert.Equal(reasons, scan.Bad.Select(b => b.Reason));
        Assert.Equal(["#1", "#2", "#3", "#4", "#5", "#6", "b.jpg"], scan.Bad.Take(7).Select(b => b.Key));
    }

    [Theory]
    [InlineData(""), InlineData("{}"), InlineData("\"text\""), InlineData("[{\"image\": \"a.jpg\"")]
    [InlineData("[{}] more"), InlineData("[{\"a\" 1}]"), InlineData("[]")]
    public void What_is_no_list_is_refused(string json)
    {
        _folder.Write("share.json", json);
        Assert.Contains("share.json", Refused("share.json"));
    }

    [Theory]
    [InlineData('['), InlineData('{')]
    public void Deep_nesting_is_refused(char bracket)
    {
        var open = bracket == '[' ? "[" : "{\"a\":";
        _folder.Write("share.json", "[" + string.Concat(Enumerable.Repeat(open, 1_000_000)));
        Assert.Contains("share.json", Refused("share.json"));
    }

    [Fact]
    public void Entries_and_strings_longer_than_the_buffer_are_found()
    {
        var caption = new string('x', 900_000);
        var spaces = new string(' ', 3_000_000);
        _folder.Write("share.json", Entries(("a.jpg", caption), ("b.jpg", caption + "b"), ("c.jpg", new string('y', 2_000_000)),
            ("d.jpg", "end"))
            .Replace("},", "}," + spaces));
        using var data = DatasetReader.Open(_folder.At("share.json"));
        Assert.Equal(4, data.Count);
        Assert.Equal(caption + "b", data.Caption(1).Long);
        Assert.Equal("end", data.Caption(3).Long);
        Assert.Equal(["a.jpg", "b.jpg", "c.jpg", "d.jpg"], Enumerable.Range(0, 4).Select(data.Key));
    }

    [Fact]
    public void A_byte_order_mark_is_skipped()
    {
        _folder.Write("share.json", "\uFEFF" + Entries(("a.jpg", "dog")));
        using var data = DatasetReader.Open(_folder.At("share.json"));
        Assert.Equal("dog", data.Caption(0).Long);
    }

    [Fact]
    public void The_fingerprint_depends_on_captions_and_image_sizes()
    {
        _folder.Write("a.jpg", "image");
        var first = Fingerprint("dog");
        Assert.Equal(first, Fingerprint("dog"));
        Assert.NotEqual(first, Fingerprint("cat"));
        _folder.Write("a.jpg", "another image");
        Assert.NotEqual(first, Fingerprint("dog"));

        string Fingerprint(string caption)
        {
            _folder.Write("share.json", Entries(("a.jpg", caption)));
            using var data = DatasetReader.Open(_folder.At("share.json"));
            return data.Fingerprint;
        }
    }

    private string Refused(string file, string? imageRoot = null) =>
        Assert.Throws<UserErrorException>(() => DatasetReader.Open(_folder.At(file), imageRoot: imageRoot)).Message;

    private static string Entries(params (string Image, string Caption)[] entries) => JsonSerializer.Serialize(
        entries.Select(e => new { image = e.Image, conversations = new[] { new { value = "describe" }, new { value = e.Caption } } }));
}
