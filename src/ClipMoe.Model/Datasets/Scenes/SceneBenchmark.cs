using System.Text;
using System.Text.Json;
using ClipMoe.Model.Files;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Datasets.Scenes;

/// <summary>Sizes of the splits, and the seed that chooses the scenes.</summary>
public sealed record SceneSettings(int Train = 8000, int Validation = 1000, int Test = 1000, ulong Seed = 0)
{
    public override string ToString() => $"{Train} + {Validation} + {Test} scenes, seed {Seed}";
}

/// <summary>
/// The embedded benchmark: pictures of 32 px with an object and a small dot, captions that name every attribute, and the truth in
/// <c>factors.csv</c> for linear probes. Written as an ordinary folder data set (train, val, test), all scenes distinct combinations of the
/// attributes. The same settings give the same bytes everywhere.
/// </summary>
public static class SceneBenchmark
{
    public const string FactorsFile = "factors.csv";

    /// <summary>Written first and completed last: tells an unfinished benchmark from an unrelated folder.</summary>
    private const string MarkerFile = "scenes.json";

    private const int GeneratorVersion = 1;

    private sealed record Marker(int Generator, SceneSettings Settings, bool Complete);

    /// <summary>One scene, made without files.</summary>
    /// <param name="Rgb">[32, 32, 3]</param>
    public sealed record Scene(string Key, SceneFactors Factors, byte[] Rgb, string Caption);

    /// <summary>
    /// Writes the benchmark into <paramref name="folder"/>, unless it is already there, complete and with the same settings.
    /// </summary>
    /// <exception cref="UserErrorException">The folder holds something else, or the settings ask for more scenes than there
    /// are.</exception>
    public static void Make(string folder, SceneSettings settings, CancellationToken cancellation)
    {
        var marker = new Marker(GeneratorVersion, settings, Complete: false);
        var found = ReadMarker(folder);
        if (found == marker with { Complete = true })
            return;
        if (found is not null && found with { Complete = false } != marker)
            throw new UserErrorException($"The folder {folder} holds the benchmark with other settings ({found.Settings}): give another " +
                $"folder.");
        if (found is null && Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            throw new UserErrorException($"The folder {folder} is not empty and holds no benchmark: give an empty or a new folder.");

        var combinations = Choose(settings);
        try
        {
            Write(folder, settings, combinations, marker, cancellation);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or (IOException and not FileWriteException))
        {
            throw AtomicFile.Explain(Path.Join(folder, MarkerFile), e);
        }
    }

    /// <summary>The same scenes as <see cref="Make"/> writes, in the order train, validation, test.</summary>
    public static IEnumerable<Scene> Enumerate(SceneSettings settings)
    {
        var combinations = Choose(settings);
        return Enumerable.Range(0, combinations.Length).Select(i => Draw(settings, combinations, i));
    }

    /// <summary>A picture of any scene, whether or not it is in a split.</summary>
    /// <returns>RGB bytes [32, 32, 3].</returns>
    public static byte[] Draw(SceneFactors factors, ulong seed)
    {
        var random = new SceneRandom(seed);
        return SceneDrawing.Draw(factors, ref random);
    }

    private static void Write(string folder, SceneSettings settings, int[] combinations, Marker marker, CancellationToken cancellation)
    {
        foreach (var split in (string[])["train", "val", "test"])
            Directory.CreateDirectory(Path.Join(folder, split));
        WriteMarker(folder, marker);
        DedicatedThreads.For(
            combinations.Length,
            Environment.ProcessorCount,
            i =>
            {
                var scene = Draw(settings, combinations, i);
                File.WriteAllBytes(Path.Join(folder, scene.Key), StoredPng.Encode(scene.Rgb, SceneDrawing.Side, SceneDrawing.Side));
                File.WriteAllText(Path.Join(folder, Path.ChangeExtension(scene.Key, ".txt")), scene.Caption + "\n");
            },
            cancellation);
        File.WriteAllText(Path.Join(folder, FactorsFile), FactorsCsv(settings, combinations));
        WriteMarker(folder, marker with { Complete = true });
    }

    private static Scene Draw(SceneSettings settings, int[] combinations, int index)
    {
        var random = SceneRandom.ForSample(settings.Seed, combinations[index]);
        var factors = SceneFactors.FromCombination(combinations[index]);
        var pixels = SceneDrawing.Draw(factors, ref random);
        return new Scene(Key(settings, index), factors, pixels, SceneCaptions.Write(factors, ref random));
    }

    private static string Key(SceneSettings settings, int index)
    {
        if (index < settings.Train)
            return $"train/{index:D6}.png";
        index -= settings.Train;
        return index < settings.Validation ? $"val/{index:D6}.png" : $"test/{index - settings.Validation:D6}.png";
    }

    /// <summary>Distinct combinations in seeded random order (a partial Fisher–Yates shuffle).</summary>
    private static int[] Choose(SceneSettings settings)
    {
        var total = (long)settings.Train + settings.Validation + settings.Test;
        if (settings.Train < 1 || settings.Validation < 0 || settings.Test < 0 || total > SceneFactors.Combinations)
            throw new UserErrorException(
                $"The benchmark can't have {settings}: at least 1 to train on, and at most {SceneFactors.Combinations} in all.");
        var random = new SceneRandom(settings.Seed);
        var all = Enumerable.Range(0, SceneFactors.Combinations).ToArray();
        for (var i = 0; i < total; i++)
        {
            var j = i + random.Below(all.Length - i);
            (all[i], all[j]) = (all[j], all[i]);
        }

        return all[..(int)total];
    }

    private static string FactorsCsv(SceneSettings settings, int[] combinations)
    {
        var csv = new StringBuilder("key");
        foreach (var attribute in SceneFactors.Attributes)
            csv.Append(',').Append(attribute.Name);
        csv.Append('\n');
        for (var i = 0; i < combinations.Length; i++)
        {
            csv.Append(Key(settings, i));
            var values = SceneFactors.FromCombination(combinations[i]).ToArray();
            for (var a = 0; a < values.Length; a++)
                csv.Append(',').Append(SceneFactors.Attributes[a].Values[values[a]]);
            csv.Append('\n');
        }

        return csv.ToString();
    }

    private static Marker? ReadMarker(string folder)
    {
        var path = Path.Join(folder, MarkerFile);
        try
        {
            return File.Exists(path) ? JsonSerializer.Deserialize<Marker>(File.ReadAllText(path)) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static void WriteMarker(string folder, Marker marker) =>
        AtomicFile.WriteAllText(Path.Join(folder, MarkerFile), JsonSerializer.Serialize(marker) + "\n");
}
