using System.Text;
using ClipMoe.Actors.Reports;
using ClipMoe.Model.Files;
using ClipMoe.Nodes.Dashboard.Html;

namespace ClipMoe.Nodes.Dashboard;

/// <summary>
/// The report for people: one file without anything to load, run or fetch. The page's policy forbids scripts and connections, in case a
/// caption should ever find a way past the escaping.
/// </summary>
internal static class ReportHtml
{
    private const string Policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

    private static readonly Lazy<Markup> Style = new(ReadStyle);

    public static void Save(string path, RunReport report) => AtomicFile.WriteAllText(path, Write(report));

    public static string Write(RunReport report)
    {
        // Sections without content are left out, of the contents too.
        (string Id, string Title, Markup Content)[] sections =
        [
            ("comparison", "Methods compared", ResultSections.Comparison(report)),
            ("scores", "Retrieval", ResultSections.Scores(report)),
            ("attributes", "What the features hold", ResultSections.Attributes(report)),
            ("losses", "Losses", TrainingSections.Losses(report)),
            ("metrics", "Measurements", MetricSection.Write(report)),
            ("clusters", "Clusters", TrainingSections.Clusters(report)),
            ("experts", "Expert load", TrainingSections.Experts(report)),
            ("examples", "Retrieval examples", ExampleSection.Write(report)),
            ("stages", "Stages", TrainingSections.Stages(report)),
            ("checkpoint", "The checkpoint", AboutSections.Checkpoint(report)),
            ("about", "The run", AboutSections.Run(report)),
        ];
        var shown = sections.Where(s => s.Content != Markup.Empty).ToList();
        return Markup.Format($"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8"/>
            <meta name="viewport" content="width=device-width, initial-scale=1"/>
            <meta http-equiv="Content-Security-Policy" content="{Policy}"/>
            <title>ClipMoe: {report.Experiment.Name}</title>
            <style>{Style.Value}</style>
            </head>
            <body>
            <main>
            <header>
            <h1>ClipMoe run <bdi>{report.Experiment.Name}</bdi></h1>
            <p class="quiet">{Seeds(report)} · experiment <span class="hash">{Short(report.Experiment.Hash)}</span> ·
            weights <span class="hash">{Short(report.WeightsSha256)}</span></p>
            <nav>{shown.Select(s => Markup.Format($"<a href=\"#{s.Id}\">{s.Title}</a> "))}</nav>
            </header>
            {ResultSections.Tiles(report)}
            {ResultSections.Verdict(report)}
            {shown.Select(s => Markup.Format($"<section id=\"{s.Id}\">\n<h2>{s.Title}</h2>\n{s.Content}\n</section>\n"))}
            <footer>ClipMoe {report.Environment.ClipMoe}. The same content as JSON: report.json.</footer>
            </main>
            </body>
            </html>

            """).Text;
    }

    private static string Seeds(RunReport report) => report.Comparison is { Seeds.Count: > 1 } comparison
        ? $"seeds {string.Join(", ", comparison.Seeds)}" : $"seed {report.Experiment.Seed}";

    private static string Short(string hash) => hash.Length > 12 ? hash[..12] : hash;

    private static Markup ReadStyle()
    {
        using var stream = typeof(ReportHtml).Assembly.GetManifestResourceStream("report.css")!;
        return new Markup(new StreamReader(stream, Encoding.UTF8).ReadToEnd());
    }
}
