using ClipMoe.Model.Datasets;

namespace ClipMoe.Model.Tests.Datasets;

public sealed class DatasetSplitsTests : IDisposable
{
    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0.25, 10), InlineData(7, 7), InlineData(0, 0)]
    public void A_seeded_split_has_the_wanted_size_and_parts_all_usable_samples(double test, int expected)
    {
        using var data = Open(41);
        var usable = Enumerable.Range(0, data.Count).Where(i => i != 3).ToArray();

        var splits = DatasetSplits.Create(data, usable, seed: 5, test);

        Assert.Equal(expected, splits.Test.Length);
        Assert.Empty(splits.Validation);
        Assert.Equal(usable, splits.Train.Concat(splits.Test).Order());
        Assert.Equal(splits.Train.Order(), splits.Train);
        Assert.Equal(splits.Test, splits.HeldOut);
    }

    [Fact]
    public void The_seed_decides()
    {
        using var data = Open(40);
        var usable = Enumerable.Range(0, data.Count).ToArray();
        Assert.Equal(DatasetSplits.Create(data, usable, 1, 10).Test, DatasetSplits.Create(data, usable, 1, 10).Test);
        Assert.NotEqual(DatasetSplits.Create(data, usable, 1, 10).Test, DatasetSplits.Create(data, usable, 2, 10).Test);
    }

    [Fact]
    public void A_split_that_leaves_nothing_to_train_on_is_refused()
    {
        using var data = Open(4);
        Assert.Throws<UserErrorException>(() => DatasetSplits.Create(data, [0, 1, 2, 3], 0, 9));
        Assert.Throws<UserErrorException>(() => DatasetSplits.Create(data, [0, 1, 2, 3], 0, -1));
    }

    private ICaptionedImages Open(int count)
    {
        for (var i = 0; i < count; i++)
            _folder.WritePair($"{i:D3}", "caption");
        return DatasetReader.Open(_folder.Root);
    }
}
