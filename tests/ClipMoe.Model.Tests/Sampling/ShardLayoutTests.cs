using ClipMoe.Model.Clustering;
using ClipMoe.Model.Sampling;

namespace ClipMoe.Model.Tests.Sampling;

public sealed class ShardLayoutTests
{
    [Theory]
    [InlineData(1, 1024, 1)]
    [InlineData(1025, 1024, 2)]
    [InlineData(16_777_216, 1024, 16_384)]
    [InlineData(16_777_217, 2048, 8193)]
    [InlineData(100_000_000, 8192, 12_208)]
    [InlineData(1_000_000_000, 65_536, 15_259)]
    [InlineData(int.MaxValue, 65_536, 32_768)]
    public void Shards_grow_with_the_data_set_so_that_they_stay_few(int samples, int shardSize, int count)
    {
        var layout = ShardLayout.For(samples);
        Assert.Equal((shardSize, count), (layout.ShardSize, layout.Count));
        Assert.Equal(0, shardSize % KMeansShard.LeafRows);
        Assert.Equal((0, Math.Min(samples, shardSize)), layout[0]);
        Assert.Equal(((count - 1) * shardSize, samples), layout[count - 1]);
    }
}
