using System.Globalization;
using ClipMoe.Actors.Reports;
using ClipMoe.Model.Architecture;
using ClipMoe.Nodes.Dashboard.Html;

namespace ClipMoe.Nodes.Dashboard;

/// <summary>What one needs to use the result, and to get it again.</summary>
internal static class AboutSections
{
    public static Markup Checkpoint(RunReport report) => Markup.Format($"""
        <dl>
        <dt>file</dt><dd><code>{report.Checkpoint}</code></dd>
        <dt>SHA-256 of the weights</dt><dd class="hash">{report.WeightsSha256}</dd>
        </dl>
        <pre>clipmoe inspect {report.Checkpoint}
        clipmoe convert {report.Checkpoint} clipmoe.pt

        # Python, safetensors: names and shapes as in the reference's state dict
        from safetensors.torch import load_file
        state = load_file("{report.Checkpoint}")

        # Python, the reference's code, after clipmoe convert
        from clipmoe import clipmoe
        {LoadCall(report.Model)}</pre>
        """);

    private static string LoadCall(ClipConfig model) => model.Moe is { } moe
        ? $"model, preprocess = clipmoe.loadMoE(\"clipmoe.pt\", num_experts={moe.Experts}, top_k={moe.TopK}, moe_layers={moe.Layers})"
        : "model, preprocess = clipmoe.load(\"clipmoe.pt\")";

    private static string Describe(ClipConfig model)
    {
        var (vision, text) = (model.Vision, model.Text);
        var experts = model.Moe is { } moe ? $", {moe.Experts} experts, top-{moe.TopK}, in the last {moe.Layers} blocks" : "";
        return $"images of {model.ImageResolution} px in patches of {model.PatchSize}; vision {vision.Layers} blocks of width " +
            $"{vision.Width}, "
            + $"text {text.Layers} of {text.Width}, {model.ContextLength} positions, {model.VocabularySize} tokens{experts}";
    }

    public static Markup Run(RunReport report)
    {
        var (experiment, data, environment) = (report.Experiment, report.Data, report.Environment);
        var workers = $"{Plural(environment.Workers, "worker")} with {Plural(environment.ThreadsPerWorker, "thread")} each";
        (string Name, string Value)[] facts =
        [
            ("model", Describe(report.Model)),
            ("data", $"{data.Name}: {NumberFormat.Count(data.Train)} samples to train on, {NumberFormat.Count(data.Test)} held out"),
            ("bad samples", NumberFormat.Count(report.BadSamples) + (data.BadSamplesFile is { } file ? $", listed in {file}" : "")),
            ("data fingerprint", data.Fingerprint),
            ("experiment hash", experiment.Hash),
            ("computed on", $"{environment.Device} in {environment.Precision}, {workers}"),
            ("processor", environment.Processor),
            ("system", environment.System),
            ("versions", $"ClipMoe {environment.ClipMoe}, .NET {environment.DotNet}, libtorch {environment.LibTorch}"),
        ];
        return Markup.Format($"""
            <dl>
            {facts.Select(f => Markup.Format($"<dt>{f.Name}</dt><dd>{f.Value}</dd>\n"))}</dl>
            {SeedRuns(report)}
            <h3>The experiment, with every key</h3>
            <details><summary>show</summary><pre>{experiment.Yaml}</pre></details>
            """);
    }

    private static Markup SeedRuns(RunReport report) => report.SeedRuns.Count == 0 ? Markup.Empty : Markup.Format($"""
        <h3>The runs of this comparison</h3>
        {Table.Format(
            Table.Row([Table.Head("seed"), Table.Head("weights", "text"), Table.Head("report", "text")]),
            report.SeedRuns.Select(r => Table.Row(
                [
                    Table.Cell(r.Seed.ToString(CultureInfo.InvariantCulture)), Table.Cell(r.WeightsSha256, "text hash"),
                    Markup.Format($"<td class=\"text\"><a href=\"./{r.Report}\">{r.Report}</a></td>"),
                ])))}
        """);

    private static string Plural(int number, string noun) => $"{NumberFormat.Count(number)} {noun}{(number == 1 ? "" : "s")}";
}
