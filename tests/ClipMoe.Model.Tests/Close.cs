namespace ClipMoe.Model.Tests;

internal static class Close
{
    /// <summary>Every element differs by at most <paramref name="tolerance"/>.</summary>
    public static void Within(double tolerance, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        Assert.True(expected.Length == actual.Length, $"{what}: {actual.Length} elements instead of {expected.Length}");
        for (var i = 0; i < expected.Length; i++)
        {
            var difference = Math.Abs((double)expected[i] - actual[i]);
            if (difference <= tolerance) continue;
            Assert.Fail($"{what}[{i}] is {actual[i]}, not {expected[i]}: off by {difference:g3}, allowed are {tolerance:g3}");
        }
    }

    public static void Within(double tolerance, double expected, double actual, string what)
    {
        var difference = Math.Abs(expected - actual);
        Assert.True(difference <= tolerance, $"{what} is {actual}, not {expected}: off by {difference:g3}, allowed are {tolerance:g3}");
    }

    /// <summary>Every element differs by at most <paramref name="tolerance"/> times the largest expected magnitude.</summary>
    public static void WithinOfLargest(double tolerance, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        var largest = 0f;
        foreach (var value in expected) largest = Math.Max(largest, Math.Abs(value));
        Within(tolerance * largest, expected, actual, what);
    }
}
