using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Tests.Numerics;

public sealed class KeyedPermutationTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(64)]
    [InlineData(1000)]
    [InlineData(4097)]
    public void It_is_a_permutation(int count)
    {
        var permutation = new KeyedPermutation(RandomKey.FromSeed(3), count);
        Assert.Equal(Enumerable.Range(0, count), Elements(permutation).Order());
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void All_permutations_of_a_few_elements_come_equally_often(int count)
    {
        var orders = Enumerable.Range(1, count).Aggregate(1, (a, b) => a * b);
        const int perOrder = 400;
        var seen = new Dictionary<string, int>();
        for (var key = 0; key < orders * perOrder; key++)
        {
            var order = string.Join(",", Elements(new KeyedPermutation(RandomKey.FromSeed(11).Derive(key), count)));
            seen[order] = seen.GetValueOrDefault(order) + 1;
        }

        Assert.Equal(orders, seen.Count);
        Assert.InRange(ChiSquare(seen.Values, perOrder), 0, ChiSquareLimit(orders - 1));
    }

    [Fact]
    public void An_element_lands_everywhere_equally_often_and_neighbours_part()
    {
        const int count = 100, keys = 20_000;
        var places = new int[count];
        var distances = new int[count];
        for (var key = 0; key < keys; key++)
        {
            var permutation = new KeyedPermutation(RandomKey.FromSeed(5).Derive(key), count);
            places[permutation[17]]++;
            distances[(permutation[18] - permutation[17] + count) % count]++;
        }

        Assert.InRange(ChiSquare(places, keys / (double)count), 0, ChiSquareLimit(count - 1));
        Assert.Equal(0, distances[0]);
        Assert.InRange(ChiSquare(distances.Skip(1), keys / (count - 1.0)), 0, ChiSquareLimit(count - 2));
    }

    [Fact]
    public void Numbers_never_change_with_platform_or_version()
    {
        // A change of these numbers silently changes every experiment's result.
        Assert.Equal([6332618229526065668UL, 6663474858013971501UL], [RandomKey.FromSeed(42).Bits(0), RandomKey.FromSeed(42).Derive(-1)
            .Bits(1)]);
        Assert.Equal([4, 6, 3, 1, 7, 8, 9, 5, 0, 2], Elements(new KeyedPermutation(RandomKey.FromSeed(42), 10)));
    }

    [Fact]
    public void Positions_outside_are_refused()
    {
        var permutation = new KeyedPermutation(RandomKey.FromSeed(1), 10);
        Assert.Throws<ArgumentOutOfRangeException>(() => permutation[10]);
        Assert.Throws<ArgumentOutOfRangeException>(() => permutation[-1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => new KeyedPermutation(RandomKey.FromSeed(1), 0)[0]);
    }

    [Fact]
    public void A_run_of_positions_reads_as_its_elements_do()
    {
        var permutation = new KeyedPermutation(RandomKey.FromSeed(9), 1000);
        var run = new int[300];
        permutation.Read(position: 700, run);
        Assert.Equal(Elements(permutation).Skip(700), run);
        permutation.Read(position: 1000, []);
        Assert.Throws<ArgumentOutOfRangeException>(() => permutation.Read(position: 701, run));
        Assert.Throws<ArgumentOutOfRangeException>(() => permutation.Read(position: -1, run));
    }

    private static IEnumerable<int> Elements(KeyedPermutation permutation)
    {
        for (var i = 0; i < permutation.Count; i++) yield return permutation[i];
    }

    private static double ChiSquare(IEnumerable<int> counts, double expected) =>
        counts.Sum(c => (c - expected) * (c - expected) / expected);

    /// <summary>Five standard deviations above the mean.</summary>
    private static double ChiSquareLimit(int degrees) => degrees + 5 * Math.Sqrt(2 * degrees);
}
