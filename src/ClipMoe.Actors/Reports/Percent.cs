namespace ClipMoe.Actors.Reports;

/// <summary>Fractions as reports give them.</summary>
internal static class Percent
{
    /// <summary>More digits than the samples of any test split give, and none of those that only binary fractions have.</summary>
    private const int Digits = 4;

    public static double FromFraction(double fraction) => Rounded(100 * fraction);

    public static double Rounded(double percent) => Math.Round(percent, Digits);
}
