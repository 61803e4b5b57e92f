using System.Xml.Linq;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Reports;
using ClipMoe.Nodes.Dashboard;

namespace ClipMoe.Nodes.Tests.Dashboard;

public sealed class ReportHtmlTests
{
    private const string Hostile = "<script>alert('1')</script>\"'><img src=x onerror=alert(1)>&amp;\u0000\u202e\ud800 ]]> <!-- ";

    [Fact]
    public void PageIsWellFormedAndHasEverySection()
    {
        var page = Parse(SampleReport.Make(0, 1, 2));

        var sections = page.Descendants("section").Select(s => (string?)s.Attribute("id")).ToList();
        Assert.Equal(
            [
                "verdict", "comparison", "scores", "attributes", "losses", "metrics", "clusters", "experts", "examples", "stages",
                "checkpoint", "about",
            ],
            sections);
        var links = page.Descendants("nav").Single().Elements("a").Select(a => ((string)a.Attribute("href")!)[1..]);
        Assert.Equal(sections[1..], links);
    }

    [Fact]
    public void NothingIsLoadedFromElsewhereOrRun()
    {
        var page = Parse(SampleReport.Make());

        Assert.Empty(page.Descendants("script"));
        Assert.Empty(page.Descendants("link"));
        Assert.DoesNotContain("url(", page.Descendants("style").Single().Value);
        Assert.All(page.Descendants("img"), i => Assert.StartsWith("data:image/png;base64,", (string?)i.Attribute("src")));
        Assert.NotEmpty(page.Descendants("img"));
    }

    [Fact]
    public void NumbersOfTheReportAreOnThePage()
    {
        var report = SampleReport.Make(0, 1, 2);

        var text = Parse(report).Root!.Value;

        Assert.Contains("+2.1 ± 0.6", text);
        Assert.Contains(report.WeightsSha256, text);
        Assert.Contains(report.Experiment.Hash, text);
        Assert.All(report.Notes, note => Assert.Contains(note, text));
        Assert.All(report.Stages, stage => Assert.Contains(stage.Name, text));
        Assert.Contains("num_experts=4, top_k=2, moe_layers=4", text);
    }

    [Fact]
    public void WhateverWasMeasuredIsInATable()
    {
        var section = Parse(SampleReport.Make()).Descendants("section").Single(s => (string?)s.Attribute("id") == "metrics");

        var overview = section.Elements("div").Single().Descendants("tr").Select(Cells).ToList();
        Assert.Equal(["stage", "gradient_norm", "time/data_wait"], overview[0]);
        Assert.Equal(["mcl-1", "0.7", "4 ms"], overview.Single(r => r[0] == "mcl-1"));
        var routers = section.Elements("details").Single(d => d.Value.TrimStart().StartsWith("routers: 4 metrics"));
        Assert.Equal(["time/data_wait/slowest", "1.5 s", "750 ms", "3 s", "1.5 s", ""], Row("time/data_wait/slowest"));
        Assert.Equal(["router/text/layer.1/load, choices", "75.0", "25.0", "0.0"], Row("router/text/layer.1/load, choices"));

        List<string> Row(string first) => routers.Descendants("tr").Select(Cells).Single(r => r[0] == first);

        static List<string> Cells(XElement row) => [.. row.Elements().Select(c => c.Value.Trim())];
    }

    [Fact]
    public void TextsOfOthersStayTexts()
    {
        var report = SampleReport.Make();
        var example = report.Examples[0] with
        {
            Caption = Hostile,
            Results = [new RetrievedItem(Hostile, "no picture"u8.ToArray(), 0.5, true)]
        };
        report = report with
        {
            Experiment = report.Experiment with { Name = Hostile, Yaml = Hostile },
            Data = report.Data with { Name = Hostile },
            Examples = [example, example with { Direction = "image_to_text" }],
            Notes = [Hostile],
            Stages = [.. report.Stages.Select(s => s with { Name = Hostile })],
            Evaluations = [.. report.Evaluations.Select(e => e with { Model = Hostile, Protocol = Hostile })],
        };

        var page = Parse(report);

        Assert.Empty(page.Descendants("script"));
        Assert.DoesNotContain(page.Descendants("img"), i => (string?)i.Attribute("src") == "x");
        Assert.Contains("<script>alert('1')</script>", page.Descendants("h1").Single().Value);
        Assert.DoesNotContain(page.Descendants().Attributes(), a => a.Name.LocalName.StartsWith("on", StringComparison.Ordinal));
    }

    [Fact]
    public void ReportOfALittleRunIsShownWithoutItsEmptyParts()
    {
        var report = SampleReport.Make() with
        {
            Stages = [new StageReport("base", "train", 0) { Steps = 1, FinalLoss = double.NaN, Losses = [new LossSample(0, double.NaN)] }],
            Evaluations = [],
            Attributes = null,
            ExpertLoads = [],
            Examples = [],
            Comparison = null,
            Notes = [],
            ImagesPerSecond = 0,
        };

        var page = Parse(report);

        Assert.Equal(["losses", "stages", "checkpoint", "about"], page.Descendants("section").Select(s => (string?)s.Attribute("id")));
        Assert.Contains("NaN", page.Root!.Value);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(100_000)]
    public void CurvesOfAnyLengthAreDrawnInBoundedSpace(int steps)
    {
        var losses = Enumerable.Range(0, steps)
            .Select(s => new LossSample(s, s == 7 ? -1 : s % 13 == 0 ? double.PositiveInfinity : 1e-6 + s)).ToList();
        var report = SampleReport.Make() with { Stages = [new StageReport("base", "train", 1) { Losses = losses }] };

        var section = Parse(report).Descendants("section").Single(s => (string?)s.Attribute("id") == "losses").ToString();

        Assert.DoesNotContain("NaN", section);
        Assert.DoesNotContain("∞", section);
        Assert.InRange(section.Length, 0, 40_000);
    }

    private static XDocument Parse(RunReport report) => XDocument.Parse(ReportHtml.Write(report));
}
