using ClipMoe.Actors.Reports;
using ClipMoe.Nodes.Dashboard.Html;

namespace ClipMoe.Nodes.Dashboard.Charts;

/// <summary>
/// Each method's gain over its base: a dot for each seed, their mean as a bar from zero, and one standard deviation as whiskers.
/// </summary>
internal static class GainChart
{
    private const double Width = 640, Left = 110, Right = 100, Top = 8, Row = 38, Bottom = 40;

    public static Markup Draw(MethodComparison comparison)
    {
        var methods = comparison.Methods.Where(m => m.Gains is not null).ToList();
        if (methods.Count == 0) return Markup.Empty;

        var (low, high) = (methods.Min(Lowest), methods.Max(Highest));
        var margin = Math.Max(0.2, (high - low) * 0.06);
        var gains = new Scale(low < 0 ? low - margin : 0, high + margin, Left, Width - Right);
        var height = Top + methods.Count * Row + Bottom;
        var axis = height - Bottom;
        return Svg.Chart(Width, height, "Gain over the base in points of R@1, by method", look: "gains", content: Markup.Format($"""
            {gains.Ticks(6).Select(t => Mark(gains[t], axis, NumberFormat.Points(t)))}
            <path class="zero" d="M{gains[0]} {Top}V{axis}"/>
            {methods.Select((m, i) => DrawMethod(m, Top + i * Row + Row / 2, gains))}
            {Svg.Text((Left + Width - Right) / 2, height - 6, "points of R@1 over the base of the same seed", look: "label")}
            """));
    }

    /// <summary>Mean and spread, as far as there is one.</summary>
    public static string Gain(MethodScores method) => method switch
    {
        { MeanGain: null } => "–",
        { GainSd: { } sd } => $"{NumberFormat.Points(method.MeanGain.Value)} ± {NumberFormat.Percent(sd)}",
        _ => NumberFormat.Points(method.MeanGain.Value),
    };

    private static Markup DrawMethod(MethodScores method, double y, Scale gains)
    {
        var mean = gains[method.MeanGain!.Value];
        var (from, to) = (Math.Min(gains[0], mean), Math.Max(gains[0], mean));
        return Markup.Format($"""
            <g class="method{(method.Method == MethodComparison.Moe ? " own" : "")}">
            {Svg.Text(Left - 10, y + 4, method.Method, "end", "name")}
            <rect class="mean" x="{from}" y="{y - 9}" width="{to - from}" height="18" rx="2"/>
            {(method.GainSd is { } sd ? Whiskers(gains[method.MeanGain.Value - sd], gains[method.MeanGain.Value + sd], y) : Markup.Empty)}
            {(method.Gains!.Count > 1 ? Markup.Join(method.Gains.Select(g => Seed(gains[g], y, g))) : Markup.Empty)}
            {Svg.Text(Width - Right + 8, y + 4, Gain(method), "start", "value")}
            </g>
            """);
    }

    private static Markup Mark(double x, double axis, string value) =>
        Markup.Format($"<path class=\"grid\" d=\"M{x} {Top}V{axis}\"/>{Svg.Text(x, axis + 15, value)}");

    private static Markup Whiskers(double from, double to, double y) =>
        Markup.Format($"<path class=\"whisker\" d=\"M{from} {y}H{to}M{from} {y - 5}v10M{to} {y - 5}v10\"/>");

    private static Markup Seed(double x, double y, double gain) =>
        Markup.Format($"<circle class=\"seed\" cx=\"{x}\" cy=\"{y}\" r=\"3.5\"><title>{NumberFormat.Points(gain)}</title></circle>");

    private static double Lowest(MethodScores m) => Math.Min(m.Gains!.Min(), Math.Min(0, m.MeanGain!.Value - (m.GainSd ?? 0)));

    private static double Highest(MethodScores m) => Math.Max(m.Gains!.Max(), Math.Max(0, m.MeanGain!.Value + (m.GainSd ?? 0)));
}
