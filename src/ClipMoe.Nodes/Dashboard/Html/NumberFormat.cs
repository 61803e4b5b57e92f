using System.Globalization;

namespace ClipMoe.Nodes.Dashboard.Html;

/// <summary>How numbers are written for people, the same everywhere.</summary>
internal static class NumberFormat
{
    public static string Percent(double percent) => Text(percent, "0.0");

    /// <summary>A difference of percentages, with its sign.</summary>
    public static string Points(double difference) => Text(difference, "+0.0;−0.0;0.0");

    public static string Count(long number) => number.ToString("#,0", CultureInfo.InvariantCulture);

    /// <summary>At least three significant digits.</summary>
    public static string Rate(double number) => number switch
    {
        >= 100 and < double.PositiveInfinity => Text(number, "#,0"),
        >= 10 and < 100 => Text(number, "0.0"),
        >= 0 and < 10 => Text(number, "0.00"),
        _ => "–",
    };

    public static string Loss(double loss) => double.IsNaN(loss) ? "NaN" : Text(loss, "0.0000");

    /// <summary>Three significant digits and the unit; short times in milliseconds.</summary>
    public static string Measure(double value, string unit) => unit == "s" && Math.Abs(value) < 1
        ? $"{Significant(1000 * value)} ms"
        : unit == "" ? Significant(value) : $"{Significant(value)} {unit}";

    public static string Duration(double seconds)
    {
        if (!double.IsFinite(seconds)) return "–";
        var whole = (long)Math.Round(seconds);
        return whole switch
        {
            < 10 => $"{Text(seconds, "0.0")} s",
            < 120 => $"{whole} s",
            < 7200 => $"{whole / 60} min {whole % 60:00} s",
            < 172_800 => $"{whole / 3600} h {whole / 60 % 60:00} min",
            _ => $"{whole / 86_400} d {whole / 3600 % 24:00} h",
        };
    }

    private static string Significant(double value) => Math.Abs(value) switch
    {
        0 => "0",
        >= 100 and < 1e7 => Text(value, "#,0"),
        (>= 1e-3 and < 100) or double.NaN or double.PositiveInfinity => Text(value, "G3"),
        _ => Text(value, "0.00e0"),
    };

    private static string Text(double number, string format) => number.ToString(format, CultureInfo.InvariantCulture);
}
