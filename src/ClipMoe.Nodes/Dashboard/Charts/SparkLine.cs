using System.Globalization;
using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.Dashboard.Html;

namespace ClipMoe.Nodes.Dashboard.Charts;

/// <summary>The course of a value, as high as a line of text: its shape alone.</summary>
internal static class SparkLine
{
    private const double Width = 120, Height = 20, Margin = 2;

    public static Markup Draw(string label, IReadOnlyList<MetricPoint> points)
    {
        var finite = points.Where(p => double.IsFinite(p.Mean)).ToList();
        if (finite.Count < 2) return Markup.Empty;
        var steps = new Scale(finite[0].Step, finite[^1].Step, Margin, Width - Margin);
        var values = new Scale(finite.Min(p => p.Mean), finite.Max(p => p.Mean), Height - Margin, Margin);
        var path = string.Join('L', Thinned(finite).Select(p => string.Create(
            CultureInfo.InvariantCulture, $"{steps[p.Step]:0.#} {values[p.Mean]:0.#}")));
        return Svg.Chart(Width, Height, label, Markup.Format($"<path class=\"smooth\" d=\"M{path}\"/>\n"), maxWidth: Width);
    }

    private static IEnumerable<MetricPoint> Thinned(List<MetricPoint> points)
    {
        var every = Math.Max(1, points.Count / (int)Width);
        return points.Where((_, i) => i % every == 0 || i == points.Count - 1);
    }
}
