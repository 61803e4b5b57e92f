using System.Globalization;
using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.Dashboard.Html;

namespace ClipMoe.Nodes.Dashboard.Charts;

/// <summary>The loss of one stage over its steps, on a logarithmic axis: the measured losses pale, their running mean over them.</summary>
internal static class LossChart
{
    private const double Width = 320, Height = 180, Left = 40, Right = 10, Top = 10, Bottom = 26;
    private const int Columns = 270;

    public static Markup Draw(string stage, IReadOnlyList<LossSample> losses)
    {
        var finite = losses.Where(l => double.IsFinite(l.Loss)).ToList();
        if (finite.Count < 2) return Markup.Format($"<p class=\"none\">No curve: fewer than two finite losses.</p>");

        var (low, high) = (finite.Min(l => l.Loss), finite.Max(l => l.Loss));
        var steps = new Scale(finite[0].Step, finite[^1].Step, Left, Width - Right);
        var values = new Scale(low, high, Height - Bottom, Top, logarithmic: low > 0);
        return Svg.Chart(Width, Height, $"Loss of stage {stage}", Markup.Format($"""
            <title>{stage}: from {NumberFormat.Loss(finite[0].Loss)} to {NumberFormat.Loss(finite[^1].Loss)},
              lowest {NumberFormat.Loss(low)}</title>
            {values.Ticks(4).Select(t => Svg.Level(Left, Width - Right, values[t], Number(t)))}
            {steps.Ticks(4).Select(t => Svg.Text(steps[t], Height - 8, Number(t)))}
            <path class="raw" d="{Path(Envelope(finite), steps, values)}"/>
            <path class="smooth" d="{Path(Thinned(RunningMean(finite)), steps, values)}"/>
            """));
    }

    /// <summary>Over about a tenth of the stage, centered on each step, so that the curve does not lag behind.</summary>
    private static List<LossSample> RunningMean(List<LossSample> losses)
    {
        var sums = new double[losses.Count + 1];
        for (var i = 0; i < losses.Count; i++) sums[i + 1] = sums[i] + losses[i].Loss;
        return [.. losses.Select((l, i) =>
        {
            var reach = losses.Count / 20;
            var (from, to) = (Math.Max(0, i - reach), Math.Min(losses.Count, i + reach + 1));
            return l with { Loss = (sums[to] - sums[from]) / (to - from) };
        })];
    }

    /// <summary>The lowest and highest loss of each pixel column, so that a long curve keeps its spikes.</summary>
    private static IEnumerable<LossSample> Envelope(List<LossSample> losses)
    {
        if (losses.Count <= 2 * Columns) return losses;
        return losses.Chunk((losses.Count + Columns - 1) / Columns)
            .SelectMany(chunk => ((LossSample[])[chunk.MinBy(l => l.Loss)!, chunk.MaxBy(l => l.Loss)!]).OrderBy(l => l.Step));
    }

    private static IEnumerable<LossSample> Thinned(List<LossSample> losses)
    {
        var every = Math.Max(1, losses.Count / Columns);
        return losses.Where((_, i) => i % every == 0 || i == losses.Count - 1);
    }

    private static string Path(IEnumerable<LossSample> losses, Scale steps, Scale values) => "M" + string.Join(
        'L', losses.Select(l => string.Create(CultureInfo.InvariantCulture, $"{steps[l.Step]:0.##} {values[l.Loss]:0.##}")));

    private static string Number(double value) => value >= 10_000
        ? string.Create(CultureInfo.InvariantCulture, $"{value / 1000:0.#}k")
        : value.ToString("0.####", CultureInfo.InvariantCulture);
}
