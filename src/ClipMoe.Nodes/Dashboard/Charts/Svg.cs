using ClipMoe.Nodes.Dashboard.Html;

namespace ClipMoe.Nodes.Dashboard.Charts;

/// <summary>Pieces that several charts have in common.</summary>
internal static class Svg
{
    /// <param name="content">Escaped already.</param>
    /// <param name="maxWidth">Pixels beyond which the chart no longer grows with the page; 0 for none.</param>
    public static Markup Chart(double width, double height, string label, Markup content, string look = "", double maxWidth = 0)
    {
        var style = maxWidth > 0 ? Markup.Format($" style=\"max-width:{maxWidth}px\"") : Markup.Empty;
        return Markup.Format($"""
            <svg class="chart {look}" viewBox="0 0 {width} {height}"{style} role="img" aria-label="{label}">
            {content}</svg>
            """);
    }

    /// <param name="anchor">start, middle or end.</param>
    public static Markup Text(double x, double y, string text, string anchor = "middle", string look = "tick") =>
        Markup.Format($"<text class=\"{look}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>\n");

    /// <summary>A line across a chart at a mark of its vertical axis, and the mark's value left of it.</summary>
    public static Markup Level(double left, double right, double y, string value) =>
        Markup.Format($"<path class=\"grid\" d=\"M{left} {y}H{right}\"/>{Text(left - 5, y + 3.5, value, "end")}");
}
