using System.Text.Json;
using System.Text.Json.Nodes;
using ClipMoe.Actors.Reports;
using ClipMoe.Model;

namespace ClipMoe.Nodes.Tests.Dashboard;

public sealed class ReportJsonTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-report-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void KeysAreThoseThatReadersRelyOn()
    {
        var json = JsonNode.Parse(ReportJson.Write(SampleReport.Make()))!.AsObject();

        foreach (var key in (string[])["weights_sha256", "checkpoint", "stages", "evaluations", "bad_samples", "images_per_second"])
            Assert.True(json.ContainsKey(key), key);
        var stage = json["stages"]!.AsArray().First(s => (string?)s!["name"] == "mcl-1")!.AsObject();
        foreach (var key in (string[])["name", "seconds", "steps", "final_loss"])
            Assert.True(stage.ContainsKey(key), key);
        var evaluation = json["evaluations"]![0]!.AsObject();
        foreach (var key in (string[])["model", "split", "protocol", "i2t_r1", "i2t_r5", "i2t_r10", "t2i_r1", "t2i_r5", "t2i_r10"])
            Assert.True(evaluation.ContainsKey(key), key);
    }

    [Fact]
    public void WhatIsWrittenIsReadBack()
    {
        var report = SampleReport.Make(0, 1, 2) with { Notes = ["1 < 2 & \u2028"] };
        var path = Path.Combine(_folder, "report.json");

        ReportJson.Save(path, report);

        Assert.Equal(ReportJson.Write(report), ReportJson.Write(ReportJson.Load(path)));
    }

    [Fact]
    public void LossThatDivergedIsWritten()
    {
        var report = SampleReport.Make();
        report = report with { Stages = [new StageReport("base", "train", 1) { FinalLoss = double.NaN }] };
        var path = Path.Combine(_folder, "report.json");

        ReportJson.Save(path, report);

        Assert.Equal(double.NaN, ReportJson.Load(path).Stages[0].FinalLoss);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("{\"retrieval\": null}")]
    [InlineData("[[[[")]
    public void WhatIsNoResultIsRefusedByName(string text)
    {
        var path = Path.Combine(_folder, "evaluation.json");
        File.WriteAllText(path, text);

        Assert.StartsWith(path, Assert.Throws<UserErrorException>(() => ReportJson.LoadEvaluation(path)).Message);
    }
}
