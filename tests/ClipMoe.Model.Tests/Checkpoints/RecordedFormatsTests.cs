using System.Text;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Datasets;
using ClipMoe.Model.Datasets.Scenes;
using ClipMoe.Model.Tests.Datasets;

namespace ClipMoe.Model.Tests.Checkpoints;

/// <summary>Small JSON files and texts that lie in users' folders, as earlier versions wrote them.</summary>
public sealed class RecordedFormatsTests : IDisposable
{
    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_manifest_is_written_as_recorded_and_read()
    {
        const string recorded = """
            {
              "step": 500,
              "parts": [
                {
                  "name": "model",
                  "file": "00000500-model-aaaa.safetensors",
                  "length": 1234567890123,
                  "sha256": "aaaa"
                },
                {
                  "name": "position",
                  "file": "00000500-position-bbbb.json",
                  "length": 42,
                  "sha256": "bbbb"
                }
              ]
            }
            """;
        CheckpointPart[] parts =
        [
            new("model", "00000500-model-aaaa.safetensors", 1234567890123, "aaaa"),
            new("position", "00000500-position-bbbb.json", 42, "bbbb"),
        ];

        Assert.Equal(recorded, Encoding.UTF8.GetString(Checkpoint.Manifest(500, parts)));
        var read = Checkpoint.Read(_folder.Write("00000500-d8f8277b63533a86.manifest.json", recorded));
        Assert.Equal(500, read.Step);
        Assert.Equal(parts, read.Parts);
    }

    [Fact]
    public void Architecture_and_provenance_are_written_as_recorded()
    {
        var metadata = CheckpointMetadata.Create(
            ClipConfig.Named("vit-b-16") with { StretchedPositions = true, Moe = new MoeConfig(4, 2, 12) },
            new Provenance("base", "experiment", "mcl-1", 250));
        Assert.Equal(
            new Dictionary<string, string>
            {
                ["format"] = "pt",
                ["config"] = """{"embedDim":512,"imageResolution":224,"patchSize":16,"vision":{"width":768,"layers":12,"heads":12}"""
                    + ""","text":{"width":512,"layers":12,"heads":8},"contextLength":77,"vocabularySize":49408,"stretchedPositions":true"""
                    + ""","moe":{"experts":4,"topK":2,"layers":12}}""",
                ["provenance"] = """{"baseSha256":"base","experimentHash":"experiment","stage":"mcl-1","step":250}""",
                ["data_sha256"] = "",
            },
            metadata);
    }

    [Fact]
    public void A_scan_is_written_as_recorded_and_read()
    {
        using var data = new MemoryDataset(3) { Bad = { 1 } };
        var scan = DatasetScan.Run(data, _ => { }, CancellationToken.None);
        scan.Save(_folder.Root);
        Assert.Equal(
            $$"""{"dataset":"memory","format":1,"fingerprint":"f00","samples":3,"bad":1,"content":"{{scan.ContentHash}}"}""" + "\n",
            File.ReadAllText(_folder.At("scan.json")));
        Assert.Equal(
            """{"index":1,"key":"1","reason":"missing image file"}""" + "\n", File.ReadAllText(_folder.At("bad-samples.jsonl")));
        Assert.True(File.Exists(_folder.At("scan-samples.bin")));
        Assert.Equal(scan.Bad, DatasetScan.Load(_folder.Root, data)!.Bad);
    }

    [Theory]
    [InlineData(DatasetFormat.Auto, 0)]
    [InlineData(DatasetFormat.Folder, 1)]
    [InlineData(DatasetFormat.ShareGpt4V, 2)]
    [InlineData(DatasetFormat.WebDataset, 3)]
    [InlineData(DatasetFormat.Csv, 4)]
    [InlineData(DatasetFormat.Parquet, 5)]
    public void The_numbers_of_formats_in_scans_stay(DatasetFormat format, int number) => Assert.Equal(number, (int)format);

    [Fact]
    public void The_marker_of_a_benchmark_is_written_as_recorded_and_read()
    {
        const string recorded = """{"Generator":1,"Settings":{"Train":2,"Validation":1,"Test":1,"Seed":7},"Complete":true}""" + "\n";
        var settings = new SceneSettings(2, 1, 1, 7);
        SceneBenchmark.Make(_folder.Root, settings, CancellationToken.None);
        Assert.Equal(recorded, File.ReadAllText(_folder.At("scenes.json")));

        // A benchmark that is complete is not written again.
        File.Delete(_folder.At("factors.csv"));
        SceneBenchmark.Make(_folder.Root, settings, CancellationToken.None);
        Assert.False(File.Exists(_folder.At("factors.csv")));
    }
}
