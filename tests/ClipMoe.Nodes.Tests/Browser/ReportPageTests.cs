using ClipMoe.Actors.Reports;
using ClipMoe.Model.Images;
using ClipMoe.Nodes.Dashboard;
using ClipMoe.Nodes.Tests.Dashboard;

namespace ClipMoe.Nodes.Tests.Browser;

/// <summary>The report as a browser shows it. With CLIPMOE_SCREENSHOTS=FOLDER the pages are kept as pictures, to be looked at.</summary>
[Trait("Category", "Browser")]
public sealed class ReportPageTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [BrowserFact]
    public async Task PageIsShownWholeInEverySizeAndColor()
    {
        var path = Save(SampleReport.Make(0, 1, 2));
        await using var browser = await HeadlessBrowser.Start();
        foreach (var (name, width, dark) in ((string, int, bool)[])[("wide-light", 1200, false), ("narrow-dark", 390, true)])
        {
            await browser.Open(path, width, 900, dark);

            Assert.InRange((int)await browser.Evaluate("document.querySelectorAll('svg').length"), 10, 100);
            Assert.True((int)await browser.Evaluate($"{All("details")}.filter(d => d.open = true).length") > 0);
            await AssertHeights(browser, "svg:not(.spark svg)", 60, 900);
            await AssertHeights(browser, ".spark svg", 15, 30);
            Assert.InRange((int)await browser.Evaluate($"Math.min(...{All("img")}.map(i => i.naturalWidth))"), 1, 1000);
            // Wide tables scroll by themselves; the page must not.
            Assert.Equal(0, (int)await browser.Evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"));
            var (colors, brightness) = Look(await browser.Screenshot());
            Assert.InRange(colors, 20, int.MaxValue);
            if (dark) Assert.InRange(brightness, 0, 100);
            else Assert.InRange(brightness, 180, 255);
            await Keep(browser, name);
        }

        Assert.Empty(browser.Complaints);
    }

    [BrowserFact]
    public async Task ScriptsInCaptionsDoNotRun()
    {
        const string hostile = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">";
        var report = SampleReport.Make();
        var path = Save(report with
        {
            Experiment = report.Experiment with { Name = hostile },
            Examples = [report.Examples[0] with { Caption = $"\"'>{hostile}" }],
        });
        await using var browser = await HeadlessBrowser.Start();

        await browser.Open(path, 1200, 900, dark: false);

        Assert.Equal($"ClipMoe: {hostile}", (string?)await browser.Evaluate("document.title"));
        Assert.Empty(browser.Complaints);
    }

    private static async Task AssertHeights(HeadlessBrowser browser, string pictures, double least, double most)
    {
        var heights = $"{All(pictures)}.map(s => s.getBoundingClientRect().height)";
        Assert.InRange((double)await browser.Evaluate($"Math.min(...{heights})"), least, most);
        Assert.InRange((double)await browser.Evaluate($"Math.max(...{heights})"), least, most);
    }

    private static string All(string element) => $"[...document.querySelectorAll('{element}')]";

    private string Save(RunReport report)
    {
        var path = Path.Combine(_folder.Path, "report.html");
        ReportHtml.Save(path, report);
        return path;
    }

    private static (int Colors, double Brightness) Look(byte[] png)
    {
        var image = ImageDecoder.Decode(png);
        var pixels = image.Pixels.Chunk(image.Pixels.Length / image.Width / image.Height).ToList();
        return (pixels.Select(p => (p[0], p[1], p[2])).Distinct().Count(), pixels.Average(p => (p[0] + p[1] + p[2]) / 3.0));
    }

    private static async Task Keep(HeadlessBrowser browser, string name)
    {
        if (Environment.GetEnvironmentVariable("CLIPMOE_SCREENSHOTS") is { Length: > 0 } folder)
            await File.WriteAllBytesAsync(Path.Combine(folder, $"report-{name}.png"), await browser.Screenshot(wholePage: true));
    }
}
