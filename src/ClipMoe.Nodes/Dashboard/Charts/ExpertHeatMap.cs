using ClipMoe.Actors.Reports;
using ClipMoe.Nodes.Dashboard.Html;

namespace ClipMoe.Nodes.Dashboard.Charts;

/// <summary>Where the routers of one tower send tokens: a row for each MoE block, a column for each expert.</summary>
internal static class ExpertHeatMap
{
    private const double Cell = 66, Row = 30, Left = 64, Top = 24;

    public static Markup Draw(string tower, IReadOnlyList<ExpertLoad> loads)
    {
        var experts = loads.Max(l => l.Shares.Count);
        var (width, height) = (Left + experts * Cell, Top + loads.Count * Row);
        return Svg.Chart(width, height, $"Expert load of the {tower} tower", look: "heat", maxWidth: width * 1.15,
            content: Markup.Format($"""
            {Enumerable.Range(0, experts).Select(e => Svg.Text(Left + (e + 0.5) * Cell, Top - 8, $"expert {e}"))}
            {loads.OrderBy(l => l.Layer).Select((l, row) => DrawLayer(l, Top + row * Row))}
            """));
    }

    private static Markup DrawLayer(ExpertLoad load, double y) => Markup.Format($"""
        {Svg.Text(Left - 10, y + Row / 2 + 4, $"block {load.Layer}", "end")}
        {load.Shares.Select((share, e) => DrawCell(load, e, share, Left + e * Cell, y))}
        """);

    private static Markup DrawCell(ExpertLoad load, int expert, double share, double x, double y)
    {
        var (percent, balanced) = (NumberFormat.Percent(100 * share), NumberFormat.Percent(100.0 / load.Shares.Count));
        return Markup.Format($"""
            <g>
            <rect x="{x + 1}" y="{y + 1}" width="{Cell - 2}" height="{Row - 2}" rx="3"
              style="fill:{Tint.ForShare(share * load.Shares.Count - 1)}"/>
            {Svg.Text(x + Cell / 2, y + Row / 2 + 4, percent, look: "cell")}
            <title>block {load.Layer}, expert {expert}: {percent} % of the assignments; {balanced} % would be balanced</title>
            </g>

            """);
    }
}
