using System.Security.Cryptography;
using System.Text;
using ClipMoe.Model.Datasets;
using ClipMoe.Model.Datasets.Scenes;

namespace ClipMoe.Model.Tests.Datasets.Scenes;

public sealed class SceneBenchmarkTests : IDisposable
{
    private static readonly SceneSettings Small = new(Train: 60, Validation: 10, Test: 20, Seed: 7);

    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_same_settings_give_the_same_bytes_on_every_machine()
    {
        SceneBenchmark.Make(_folder.Root, Small, CancellationToken.None);
        using var data = DatasetReader.Open(_folder.Root);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var i = 0; i < data.Count; i++)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{data.Key(i)}\n{data.Caption(i).Long}\n"));
            hash.AppendData(data.ReadImage(i).Span);
        }

        Assert.Equal("67ae128e0b2caf094aed29f811103c95084710d187adf542cf106fbcc91ec1a1", Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    [Fact]
    public void The_files_are_a_folder_data_set_with_a_given_split()
    {
        SceneBenchmark.Make(_folder.Root, Small, CancellationToken.None);
        using var data = DatasetReader.Open(_folder.Root);
        var splits = DatasetSplits.Create(data, [.. Enumerable.Range(0, data.Count)], seed: 0, test: 0.1);
        Assert.Equal((60, 10, 20), (splits.Train.Length, splits.Validation.Length, splits.Test.Length));
    }

    [Fact]
    public void All_scenes_are_distinct_combinations_and_seeds_choose_others()
    {
        var factors = SceneBenchmark.Enumerate(Small).Select(s => s.Factors).ToList();
        Assert.Equal(factors.Count, factors.Distinct().Count());
        Assert.NotEqual(factors, SceneBenchmark.Enumerate(Small with { Seed = 8 }).Select(s => s.Factors));
    }

    [Fact]
    public void Every_combination_has_factors_of_its_own()
    {
        Assert.Equal(8 * 6 * 8 * 3 * 6 * 8 * 4, SceneFactors.Combinations);
        var all = Enumerable.Range(0, SceneFactors.Combinations).Select(SceneFactors.FromCombination);
        Assert.Equal(SceneFactors.Combinations, all.Distinct().Count());
    }

    [Fact]
    public void Captions_name_every_factor_in_few_words()
    {
        var scenes = SceneBenchmark.Enumerate(new SceneSettings(1500, 0, 0)).ToList();
        var words = scenes.SelectMany(s => s.Caption.Split(' ')).ToList();
        Assert.InRange(words.Distinct().Count(), 60, 99);
        Assert.InRange((double)words.Count / scenes.Count, 17, 19);
        foreach (var attribute in (int[])[1, 2, 4, 5])
            Assert.All(scenes, s => Assert.Contains(SceneFactors.Attributes[attribute].Values[s.Factors.ToArray()[attribute]], s.Caption));
    }

    [Theory]
    [InlineData(0), InlineData(1), InlineData(2), InlineData(3), InlineData(4), InlineData(5), InlineData(6)]
    public void Each_factor_changes_the_picture(int attribute)
    {
        var pictures = SceneFactors.Attributes[attribute].Values.Select((_, value) => Rgb(attribute, value)).ToList();
        for (var a = 0; a < pictures.Count; a++)
            for (var b = 0; b < a; b++)
                Assert.True(Different(pictures[a], pictures[b]) >= 12,
                    $"values {a} and {b} differ in {Different(pictures[a], pictures[b])} pixels");
    }

    [Fact]
    public void The_factors_file_holds_the_truth()
    {
        SceneBenchmark.Make(_folder.Root, Small, CancellationToken.None);
        var table = AttributeTable.Load(_folder.At(SceneBenchmark.FactorsFile));
        Assert.Equal(SceneFactors.Attributes.Select(a => a.Name), table.Attributes.Select(a => a.Name));
        foreach (var scene in SceneBenchmark.Enumerate(Small))
        {
            var expected = scene.Factors.ToArray().Select((v, a) => SceneFactors.Attributes[a].Values[v]);
            Assert.Equal(expected, table.Attributes.Select((attribute, a) => attribute.Values[table.Value(scene.Key, a)!.Value]));
        }
    }

    [Fact]
    public void A_finished_benchmark_is_kept_and_an_unfinished_one_completed()
    {
        SceneBenchmark.Make(_folder.Root, Small, CancellationToken.None);
        File.WriteAllText(_folder.At("train/000000.txt"), "changed");
        SceneBenchmark.Make(_folder.Root, Small, CancellationToken.None);
        Assert.Equal("changed", File.ReadAllText(_folder.At("train/000000.txt")));

        var marker = _folder.At("scenes.json");
        File.WriteAllText(marker, File.ReadAllText(marker).Replace("\"Complete\":true", "\"Complete\":false"));
        SceneBenchmark.Make(_folder.Root, Small, CancellationToken.None);
        Assert.NotEqual("changed", File.ReadAllText(_folder.At("train/000000.txt")));
    }

    [Fact]
    public void A_folder_of_something_else_is_not_touched()
    {
        SceneBenchmark.Make(_folder.Root, Small, CancellationToken.None);
        Assert.Contains("other settings", Refused(_folder.Root, Small with { Seed = 1 }));
        _folder.Write("../root-outside/thesis.doc", "precious");
        Assert.Contains("not empty", Refused(_folder.Outside, Small));
        Assert.Single(Directory.GetFileSystemEntries(_folder.Outside));
    }

    [Theory]
    [InlineData(221_000, 100, 100), InlineData(0, 10, 10), InlineData(10, -1, 0)]
    public void Impossible_sizes_are_refused(int train, int validation, int test) =>
        Assert.Contains("can't have", Refused(_folder.Root, new SceneSettings(train, validation, test)));

    private static string Refused(string folder, SceneSettings settings) =>
        Assert.Throws<UserErrorException>(() => SceneBenchmark.Make(folder, settings, CancellationToken.None)).Message;

    /// <summary>A picture from the benchmark's own scenes that differs from the first in one factor: noise included.</summary>
    private static byte[] Rgb(int attribute, int value)
    {
        var factors = new int[] { 1, 0, 0, 1, 0, 2, 0 };
        factors[attribute] = value;
        return SceneBenchmark.Draw(new SceneFactors(factors[0], factors[1], factors[2], factors[3], factors[4], factors[5], factors[6]),
            seed: 0);
    }

    private static int Different(byte[] a, byte[] b) =>
        Enumerable.Range(0, a.Length / 3).Count(p => Enumerable.Range(3 * p, 3).Any(i => Math.Abs(a[i] - b[i]) > 40));
}
