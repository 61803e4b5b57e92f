using ClipMoe.Actors.Hosting;

namespace ClipMoe.Actors.Tests.Hosting;

public sealed class FirstSeedTests
{
    [Theory]
    [InlineData(3, new bool[0], false)]
    [InlineData(3, new[] { false }, true)]
    [InlineData(3, new[] { false, false }, true)]
    [InlineData(3, new[] { true }, false)]
    [InlineData(3, new[] { false, true }, false)]
    [InlineData(2, new bool[0], false)]
    [InlineData(2, new[] { false }, true)]
    [InlineData(5, new[] { false }, false)]
    [InlineData(5, new[] { false, false }, true)]
    public void A_cluster_is_founded_when_most_seeds_are_there_and_none_is_in_one(int seeds, bool[] answers, bool founded) =>
        Assert.Equal(founded, FirstSeed.MayFound(seeds, answers));

    [Fact]
    public void Akka_is_not_told_to_begin_with_a_first_seed_of_several()
    {
        ClusterAddress At(string host, params string[] seeds) => new(host, 4055, seeds, []);
        Assert.Equal(["b:4055", "c:4055"], At("a", "a:4055", "b:4055", "c:4055").SeedsForAkka);
        Assert.Equal(["a:4055", "b:4055", "c:4055"], At("b", "a:4055", "b:4055", "c:4055").SeedsForAkka);
        Assert.Equal(["a:4055"], At("a", "a:4055").SeedsForAkka);
    }
}
