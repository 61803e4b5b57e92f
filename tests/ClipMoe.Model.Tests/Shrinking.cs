namespace ClipMoe.Model.Tests;

/// <summary>Smaller values to try once a property failed, so that a counterexample is as small as it can be.</summary>
internal static class Shrinking
{
    /// <summary>The least value, then values that come closer and closer to this one.</summary>
    public static IEnumerable<int> Toward(this int value, int least)
    {
        for (var distance = value - least; distance > 0; distance /= 2) yield return value - distance;
    }
}
