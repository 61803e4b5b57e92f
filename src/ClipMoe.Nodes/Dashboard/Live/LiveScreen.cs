using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Reports;
using ClipMoe.Nodes.Dashboard.Html;
using Spectre.Console;
using Spectre.Console.Rendering;
using Markup = Spectre.Console.Markup;
using Table = Spectre.Console.Table;

namespace ClipMoe.Nodes.Dashboard.Live;

/// <summary>One picture of a run for a terminal of a given size.</summary>
internal static class LiveScreen
{
    private const int Header = 2, Gap = 1, MostWarnings = 3;

    /// <summary>Columns that a stage usually takes besides its bar.</summary>
    private const int WithoutBar = 72;

    private const string Hint = "[dim]Ctrl-C stops at a checkpoint[/]";

    /// <param name="over">Whether this is the last picture, which stays.</param>
    public static IRenderable Draw(RunProgress run, TimeSpan now, Profile terminal, bool over = false)
    {
        if (run.Run is not { } started) return new Text("");
        var width = terminal.Width;
        var glyphs = terminal.Capabilities.Unicode ? Glyphs.Unicode : Glyphs.Ascii;
        var below = Below(run, now, glyphs, width, over).ToList();
        // One line stays free for the cursor.
        var rows = Math.Max(3, terminal.Height - Header - Gap - below.Count - 1);
        var workers = Shortened($"{run.Workers} {(run.Workers == 1 ? "worker" : "workers")} on {started.Device}", width / 2);
        return new Rows(
            [
                Line($"[bold]ClipMoe {Markup.Escape(Shortened(started.Experiment, width / 3))}[/] [dim]{Markup.Escape(workers)}[/]"),
                new Text(""),
                Stages(run, now, glyphs, rows, width),
                new Text(""),
                .. below.Select(Line),
            ]);
    }

    private static Table Stages(RunProgress run, TimeSpan now, Glyphs glyphs, int rows, int width)
    {
        var bar = Math.Clamp(width - WithoutBar, 6, 40);
        var table = new Table().NoBorder().HideHeaders();
        foreach (var alignment in (Justify[])[Justify.Left, Justify.Left, Justify.Left, Justify.Right, Justify.Right, Justify.Right,
            Justify.Right])
            table.AddColumn(new TableColumn("") { Alignment = alignment, NoWrap = true, Padding = new Padding(0, 0, 2, 0) });
        foreach (var cells in Shown(run.Stages, rows).Select(s => Cells(run, s, now, glyphs, bar)))
            table.AddRow([.. cells.Select(c => new Markup(c) { Overflow = Overflow.Ellipsis })]);
        return table;
    }

    /// <summary>As many stages as there is room for, around the one that runs; those left out are counted.</summary>
    private static IEnumerable<object> Shown(IReadOnlyList<StageProgressState> stages, int rows)
    {
        if (stages.Count <= rows) return stages;
        var current = stages.ToList().FindIndex(s => s.Status != StageStatus.Done);
        if (current < 0) current = stages.Count - 1;
        var room = rows - 2;
        var first = Math.Clamp(current - room / 3, 0, stages.Count - room);
        var last = first + room;
        return
        [
            .. first > 0 ? (IEnumerable<object>)[$"{first} before"] : [],
            .. stages.Take(last).Skip(first),
            .. last < stages.Count ? (IEnumerable<object>)[$"{stages.Count - last} more"] : [],
        ];
    }

    private static string[] Cells(RunProgress run, object row, TimeSpan now, Glyphs glyphs, int bar)
    {
        if (row is not StageProgressState stage) return ["", $"[dim]{row}[/]", "", "", "", "", ""];
        var name = Markup.Escape(stage.Plan.Name);
        var loss = stage.Kind.TakesSteps && stage.Loss is { } l ? $"loss {NumberFormat.Loss(l)}" : "";
        var rate = stage.ImagesPerSecond is { } r ? $"{NumberFormat.Rate(r)}/s" : "";
        var count = stage.Total is { } total ? $"{stage.Done}/{total}" : "";
        switch (stage.Status)
        {
            case StageStatus.Running:
                var left = TimeLeft.OfCurrent(run, now) is { } time ? $"{Short(time)} left" : "";
                var done = stage.Total is { } n and > 0 ? (int)(bar * Math.Clamp(stage.Done / (double)n, 0, 1)) : 0;
                var progress = $"[cyan]{new string(glyphs.Full, done)}[/][dim]{new string(glyphs.Empty, bar - done)}[/]";
                return [$"[cyan]{glyphs.Running}[/]", $"[bold]{name}[/]", progress, count, loss, rate, left];
            case StageStatus.Done:
                var took = stage.Took is { } t ? NumberFormat.Duration(t.TotalSeconds) : "before";
                return [$"[green]{glyphs.Done}[/]", name, "", Dim(stage.Took is null ? "" : count), Dim(loss), Dim(rate), Dim(took)];
            default:
                return [Dim(glyphs.Waiting), Dim(name), "", Dim(stage.Plan.Steps is { } steps ? $"{steps}" : ""), "", "", ""];
        }
    }

    private static IEnumerable<string> Below(RunProgress run, TimeSpan now, Glyphs glyphs, int width, bool over)
    {
        if (run.Scores.Count > 0)
        {
            // Several workers measure models in no fixed order.
            var stages = run.Stages.Select(s => s.Plan.Name).ToList();
            var scores = run.Scores.OrderBy(s => stages.IndexOf(s.Model == MethodComparison.Moe ? StagePlan.Routers : s.Model));
            var words = scores.Select(s => Markup.Escape($"{s.Model} {NumberFormat.Percent(s.MeanR1)}"));
            foreach (var line in Wrapped("R@1 %:", words, width)) yield return line;
        }
        else if (run.Current is { Losses: { Count: > 1 } losses } current)
        {
            yield return $"loss [cyan]{glyphs.Curve(losses, Math.Clamp(width - 8, 1, 60))}[/]";
            if (current.Headlines.Count > 0)
            {
                var words = current.Headlines.Select(m =>
                    Markup.Escape($"{m.Metric.Name} {NumberFormat.Measure(m.Values[0], m.Metric.Unit)}"));
                foreach (var line in Wrapped("step", words, width)) yield return $"[dim]{line}[/]";
            }
        }
        foreach (var warning in run.Warnings.TakeLast(MostWarnings))
            yield return $"[yellow]{Markup.Escape(Shortened(warning, width))}[/]";

        var elapsed = NumberFormat.Duration((now - run.Started).TotalSeconds);
        if (run.End is not null) yield return $"[green]Done[/] in {elapsed}.";
        else if (over) yield return $"{elapsed}";
        else if (TimeLeft.Estimate(run, now) is { } left)
            yield return $"{elapsed}, about {NumberFormat.Duration(left.TotalSeconds)} left  {Hint}";
        else yield return $"{elapsed}  {Hint}";
    }

    private static IEnumerable<string> Wrapped(string start, IEnumerable<string> words, int width)
    {
        var line = start;
        foreach (var word in words)
        {
            if (line.Length + 2 + word.Length > width)
            {
                yield return line;
                line = new string(' ', start.Length);
            }
            line += $"  {word}";
        }
        yield return line;
    }

    private static string Short(TimeSpan time) => time.TotalSeconds switch
    {
        < 100 => $"{time.TotalSeconds:0} s",
        < 6000 => $"{time.TotalMinutes:0} min",
        _ => $"{time.TotalHours:0} h",
    };

    private static string Shortened(string text, int width) => text.Length <= width ? text : width <= 3 ? text[..Math.Max(0, width)]
        : $"{text[..(width - 3)]}...";

    private static string Dim(string text) => text == "" ? "" : $"[dim]{text}[/]";

    private static IRenderable Line(string markup) => new Markup(markup);

    /// <summary>Signs for terminals that know Unicode, and for those that don't.</summary>
    private sealed record Glyphs(string Done, string Running, string Waiting, char Full, char Empty, string Heights)
    {
        public static readonly Glyphs Unicode = new("✓", "▶", "·", '━', '─', "▁▂▃▄▅▆▇█"), Ascii = new("+", ">", ".", '#', '-', "_.-=^");

        private char Height(double fraction) => Heights[(int)Math.Min(Heights.Length - 1, fraction * Heights.Length)];

        /// <summary>Losses as one line of columns, each the mean of its part.</summary>
        public string Curve(IReadOnlyList<double> losses, int width)
        {
            var columns = Math.Min(width, losses.Count);
            var means = Enumerable.Range(0, columns).Select(c =>
            {
                var (from, to) = (c * losses.Count / columns, (c + 1) * losses.Count / columns);
                return losses.Skip(from).Take(to - from).Average();
            }).ToList();
            var finite = means.Where(double.IsFinite).ToList();
            if (finite.Count == 0) return "";
            var (low, range) = (finite.Min(), Math.Max(1e-12, finite.Max() - finite.Min()));
            return string.Concat(means.Select(m => double.IsFinite(m) ? Height((m - low) / range) : ' '));
        }
    }
}
