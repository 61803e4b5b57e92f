using ClipMoe.Nodes.Dashboard.Html;

namespace ClipMoe.Nodes.Dashboard.Charts;

/// <summary>How many samples each cluster of a stage has, the largest first.</summary>
internal static class ClusterChart
{
    private const double Width = 320, Height = 150, Left = 40, Right = 10, Top = 10, Bottom = 22;

    public static Markup Draw(string stage, IReadOnlyList<int> sizes)
    {
        var ordered = sizes.OrderDescending().ToList();
        var values = new Scale(0, Math.Max(1, ordered[0]), Height - Bottom, Top);
        return Svg.Chart(Width, Height, $"Cluster sizes of stage {stage}", Markup.Format($"""
            {values.Ticks(3).Select(t => Svg.Level(Left, Width - Right, values[t], NumberFormat.Count((long)t)))}
            {Bars(ordered, values)}
            {Svg.Text(Left, Height - 6, Summary(ordered), "start")}
            """));
    }

    private static Markup Bars(List<int> sizes, Scale values)
    {
        var column = (Width - Left - Right) / sizes.Count;
        // Thousands of clusters are drawn as the outline that their bars would have.
        if (column < 1)
        {
            var outline = Markup.Join(sizes.Select((n, i) => Markup.Format($"L{Left + i * column} {values[n]}")));
            return Markup.Format($"<path class=\"bar\" d=\"M{Left} {values[0]}{outline}L{Width - Right} {values[0]}Z\"/>");
        }

        // Gaps between bars only where bars are wide enough to have some.
        var bar = column > 4 ? column - Math.Min(4, column / 5) : column;
        return Markup.Join(sizes.Select((n, i) => Markup.Format($"""
            <rect class="bar" x="{Left + i * column}" y="{values[n]}" width="{bar}" height="{values[0] - values[n]}">
            <title>{NumberFormat.Count(n)} samples</title></rect>

            """)));
    }

    private static string Summary(List<int> sizes)
    {
        var (largest, smallest, median) = (NumberFormat.Count(sizes[0]), NumberFormat.Count(sizes[^1]),
            NumberFormat.Count(sizes[sizes.Count / 2]));
        return sizes.Count == 1
            ? $"1 cluster of {largest}"
            : $"{NumberFormat.Count(sizes.Count)} clusters, {largest} to {smallest} samples, median {median}";
    }
}
