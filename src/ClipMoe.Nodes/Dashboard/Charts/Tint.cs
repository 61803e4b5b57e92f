using System.Globalization;

namespace ClipMoe.Nodes.Dashboard.Charts;

/// <summary>
/// Colors of heat maps: above the expected one way, below it the other, as the expected without color, in light and in dark.
/// </summary>
internal static class Tint
{
    /// <summary>Strong enough to see, weak enough to read a number over it.</summary>
    private const double Strongest = 62;

    /// <param name="value">−1 (far below) … 1 (far above); beyond is cut off.</param>
    public static string ForShare(double value)
    {
        var percent = Math.Round(Math.Min(1, Math.Abs(value)) * Strongest).ToString(CultureInfo.InvariantCulture);
        return $"color-mix(in oklab, var({(value < 0 ? "--below" : "--above")}) {percent}%, var(--neutral))";
    }
}
