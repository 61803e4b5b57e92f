using System.Text.Json.Nodes;
using ClipMoe.Actors.Experiments;
using ClipMoe.Model;
using ClipMoe.Model.TensorFiles;
using YamlDotNet.Core;

namespace ClipMoe.Nodes.Options;

/// <summary>
/// An experiment in YAML: a preset, over it the file's own keys, over them what <c>--set</c> gives. The keys are those of
/// <see cref="Experiment"/> in snake_case; <c>experiment show</c> prints them all.
/// </summary>
internal static class ExperimentFile
{
    public const string DefaultPreset = "demo";

    private const string PresetKey = "preset";

    public static IReadOnlyList<string> Presets { get; } =
        [.. typeof(ExperimentFile).Assembly.GetManifestResourceNames().Where(n => n.StartsWith("presets/", StringComparison.Ordinal))
            .Select(n => n[8..]).Order()];

    /// <param name="path">Null: only the preset and <paramref name="sets"/>. Paths in the file are relative to its folder.</param>
    /// <param name="sets"><c>key.path=value</c>; <c>preset=NAME</c> chooses the preset. Paths are relative to the current folder.</param>
    /// <exception cref="UserErrorException">The file can't be read, or something in it is wrong: all of it, one line each.</exception>
    public static Experiment Load(string? path, IReadOnlyList<string> sets) => Complete(LoadDraft(path, sets), SourceOf(path));

    /// <summary>An experiment that may still lack something, for instance the data.</summary>
    /// <param name="Missing">What is to be given before it can run.</param>
    public sealed record Draft(Experiment Experiment, IReadOnlyList<ExperimentProblem> Missing);

    /// <inheritdoc cref="Load"/>
    public static Draft LoadDraft(string? path, IReadOnlyList<string> sets)
    {
        if (path is null) return ParseDraft(null, SourceOf(path), Environment.CurrentDirectory, sets);
        try
        {
            var text = YamlDocument.ReadText(path);
            return ParseDraft(text, path, Path.GetDirectoryName(Path.GetFullPath(path))!, sets);
        }
        catch (YamlException e)
        {
            throw new UserErrorException($"The experiment file {path} can't be read: {e.Message}.", e);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UserErrorException($"There is no experiment file {path}.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"The experiment file {path} can't be read: {e.Message}", e);
        }
    }

    /// <param name="text">YAML; null for none.</param>
    /// <param name="source">What to call it in errors.</param>
    /// <param name="folder">What its paths are relative to.</param>
    /// <inheritdoc cref="Load"/>
    public static Experiment Parse(string? text, string source, string folder, IReadOnlyList<string> sets) =>
        Complete(ParseDraft(text, source, folder, sets), source);

    /// <summary>The text of a preset.</summary>
    public static string PresetText(string name)
    {
        using var stream = typeof(ExperimentFile).Assembly.GetManifestResourceStream($"presets/{name}")!;
        return new StreamReader(stream).ReadToEnd();
    }

    /// <summary>What is missing, a line each.</summary>
    public static string Lines(IReadOnlyList<ExperimentProblem> problems) =>
        // Keys come from an untrusted file, and go to a terminal.
        string.Join('\n', problems.Select(p => $"  {Printable.Clean(p.ToString())}"));

    private static string SourceOf(string? path) => path ?? "the settings";

    private static Experiment Complete(Draft draft, string source) =>
        draft.Missing.Count == 0 ? draft.Experiment : throw new UserErrorException(Sentence(source, draft.Missing));

    private static Draft ParseDraft(string? text, string source, string folder, IReadOnlyList<string> sets)
    {
        var reader = new ExperimentReader();
        var file = text is null ? null : Root(reader, text, n => $"line {n}");
        var options = sets.Select(set => Option(reader, set)).OfType<SetOption>().ToList();

        var preset = options.LastOrDefault(o => o.Key == PresetKey) is { } chosen
            ? PresetName(reader, chosen.Scalar, chosen.Where)
            : PresetOf(reader, file, n => $"line {n}");
        ReadPreset(reader, preset ?? DefaultPreset);
        if (file is not null) reader.Read(WithoutPreset(file), new SettingsLayer(n => $"line {n}", folder));
        foreach (var option in options.Where(o => o.Key != PresetKey))
            reader.Read(option.Section, new SettingsLayer(_ => option.Where, Environment.CurrentDirectory));

        // Without the preset or the file that was meant, nothing can be said about how the settings go together.
        var experiment = ExperimentJson.Read(reader.ToJson());
        if (!reader.Failed.Contains(PresetKey) && !reader.Failed.Contains("")) CheckRules(reader, experiment, preset ?? DefaultPreset);
        return reader.Problems.All(p => p.Missing)
            ? new Draft(experiment, reader.Problems)
            : throw new UserErrorException(Sentence(source, reader.Problems));
    }

    private static void CheckRules(ExperimentReader reader, Experiment experiment, string preset)
    {
        foreach (var (keys, text, missing) in ExperimentRules.Violations(experiment))
        {
            if (keys.Any(reader.Failed.Contains)) continue;
            var places = keys.Select(reader.Place).OfType<string>();
            reader.Report(new ExperimentProblem(places.FirstOrDefault() ?? $"preset {preset}", keys[0], text, missing));
        }
    }

    /// <summary>A preset may stand on another.</summary>
    private static void ReadPreset(ExperimentReader reader, string name)
    {
        var root = Root(reader, PresetText(name), n => $"preset {name}, line {n}")!;
        if (PresetOf(reader, root, n => $"preset {name}, line {n}") is { } below) ReadPreset(reader, below);
        reader.Read(WithoutPreset(root), new SettingsLayer(n => $"preset {name}, line {n}", Environment.CurrentDirectory, BuiltIn: true));
    }

    private static YamlSection? Root(ExperimentReader reader, string text, Func<int, string> describe)
    {
        try
        {
            switch (YamlDocument.Parse(text))
            {
                case YamlSection root:
                    return root;
                case null or YamlScalar { IsNull: true }:
                    return null;
                case { } other:
                    reader.Report(new(describe(other.Line), "", "found no keys; an experiment file has lines such as 'preset: demo'."));
                    return null;
            }
        }
        catch (YamlException e)
        {
            reader.Report(new(describe((int)e.Start.Line), "", $"{e.Message.TrimEnd('.')}."));
            return null;
        }
    }

    private sealed record SetOption(string Where, string Key, YamlSection Section, YamlScalar? Scalar);

    /// <summary>Turns <c>a.b=v</c> into the section <c>a: {b: v}</c>.</summary>
    private static SetOption? Option(ExperimentReader reader, string set)
    {
        var (where, equals) = ($"--set {set}", set.IndexOf('='));
        if (equals <= 0)
        {
            reader.Report(new($"--set {set}", set, "it has no value; write --set key=value, for instance --set mcl.steps=100."));
            return null;
        }
        var (path, text) = (set[..equals].Trim(), set[(equals + 1)..]);
        var isText = path == PresetKey || (ExperimentSchema.Keys.TryGetValue(path, out var key) && key.Type == typeof(string));
        YamlValue? value;
        try
        {
            // What the shell passes on for a text is the text itself, whatever it would mean in YAML.
            value = isText ? new YamlScalar(1, text, Quoted: false) : YamlDocument.Parse(text);
        }
        catch (YamlException e)
        {
            reader.Report(new(where, path, $"{e.Message.TrimEnd('.')}."));
            return null;
        }
        value ??= new YamlScalar(1, "", Quoted: false);
        var section = path.Split('.').Reverse().Aggregate(value, (inner, part) => new YamlSection(1, [new YamlEntry(1, part, inner)]));
        return new SetOption(where, path, (YamlSection)section, value as YamlScalar);
    }

    private static string? PresetOf(ExperimentReader reader, YamlSection? file, Func<int, string> describe) =>
        file?.Entries.FirstOrDefault(e => e.Key == PresetKey) is { } entry
        ? PresetName(reader, entry.Value as YamlScalar, describe(entry.Line)) : null;

    private static string? PresetName(ExperimentReader reader, YamlScalar? name, string where)
    {
        if (name is not null && Presets.Contains(name.Text)) return name.Text;
        var meant = name is not null && Spelling.Nearest(name.Text, Presets) is { } near ? $"; did you mean {near}?" : ".";
        reader.Report(new(where, PresetKey, $"found {name?.Text ?? "no name"}; allowed are {string.Join(", ", Presets)}{meant}"));
        return null;
    }

    /// <summary>A second <c>preset</c> stays, to be reported as an unknown key would.</summary>
    private static YamlSection WithoutPreset(YamlSection root)
    {
        var first = root.Entries.FirstOrDefault(e => e.Key == PresetKey);
        return root with { Entries = [.. root.Entries.Where(e => !ReferenceEquals(e, first))] };
    }

    private static string Sentence(string source, IReadOnlyList<ExperimentProblem> problems)
    {
        var count = problems.Count == 1 ? "1 error" : $"{problems.Count} errors";
        return $"{count} in {source}:\n{Lines(problems)}";
    }
}
