using System.IO.Hashing;
using System.Text;

namespace ClipMoe.Model.Datasets;

/// <summary>Indices of usable samples, each list ascending.</summary>
public sealed record DatasetSplits(int[] Train, int[] Validation, int[] Test)
{
    /// <summary>What results are reported on: the test split, or the validation split of data that has no other.</summary>
    public int[] HeldOut => Test.Length > 0 ? Test : Validation;

    /// <summary>
    /// The split that the data gives, otherwise a seeded choice of test samples: those whose image's key has the smallest hash, so that the
    /// captions of one image never lie on both sides.
    /// </summary>
    /// <param name="usable">Indices of the samples that can be read, ascending.</param>
    /// <param name="test">Test samples: a number (≥ 1) or a fraction (&lt; 1) of the usable ones; not used when the data gives the
    /// split.</param>
    /// <exception cref="UserErrorException">No sample is left to train on.</exception>
    public static DatasetSplits Create(ICaptionedImages data, IReadOnlyList<int> usable, ulong seed, double test)
    {
        var splits = data.GivenSplit(0) is null ? Seeded(data, usable, seed, test) : Given(data, usable);
        return splits.Train.Length > 0
            ? splits
            : throw new UserErrorException(
            $"The data set {data.Name} has {usable.Count} usable samples and none of them is left to train on.");
    }

    private static DatasetSplits Given(ICaptionedImages data, IReadOnlyList<int> usable)
    {
        var bySplit = usable.ToLookup(i => data.GivenSplit(i));
        return new DatasetSplits([.. bySplit[SampleSplit.Train]], [.. bySplit[SampleSplit.Validation]], [.. bySplit[SampleSplit.Test]]);
    }

    private static DatasetSplits Seeded(ICaptionedImages data, IReadOnlyList<int> usable, ulong seed, double test)
    {
        if (test < 0 || !double.IsFinite(test))
            throw new UserErrorException($"The test split can't be {test}: give a number of samples (1 or more) or a fraction (below 1).");
        var wanted = (long)Math.Round(test < 1 ? test * usable.Count : Math.Min(test, usable.Count));
        var ranks = new (ulong Hash, int Index)[usable.Count];
        for (var i = 0; i < ranks.Length; i++)
            ranks[i] = (XxHash64.HashToUInt64(Encoding.UTF8.GetBytes(data.Key(usable[i])), (long)seed), usable[i]);
        Array.Sort(ranks);
        while (wanted > 0 && wanted < ranks.Length && ranks[wanted].Hash == ranks[wanted - 1].Hash)
            wanted++;
        return new DatasetSplits(Indices(ranks.AsSpan((int)wanted)), [], Indices(ranks.AsSpan(0, (int)wanted)));
    }

    private static int[] Indices(ReadOnlySpan<(ulong Hash, int Index)> ranks)
    {
        var indices = new int[ranks.Length];
        for (var i = 0; i < indices.Length; i++)
            indices[i] = ranks[i].Index;
        Array.Sort(indices);
        return indices;
    }
}
