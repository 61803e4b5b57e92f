using System.Globalization;
using System.Numerics;
using System.Text.Json.Nodes;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Nodes.Options;

/// <summary>One thing that is wrong with an experiment.</summary>
/// <param name="Where">Line or <c>--set</c> option.</param>
/// <param name="Missing">Nothing is wrong, something is still to be given.</param>
internal sealed record ExperimentProblem(string Where, string Key, string Text, bool Missing = false)
{
    public override string ToString() => $"{Where}, {Key}: {Text}";
}

/// <summary>Where a layer of settings comes from.</summary>
/// <param name="Describe">What to call a line of it.</param>
/// <param name="Folder">What relative paths in it are relative to.</param>
/// <param name="BuiltIn">Its lines are no places that a user could correct.</param>
internal sealed record SettingsLayer(Func<int, string> Describe, string Folder, bool BuiltIn = false);

/// <summary>
/// Checks settings against the schema, layer over layer; later layers win. Collects every problem instead of stopping at the first.
/// </summary>
internal sealed class ExperimentReader
{
    private readonly List<ExperimentProblem> _problems = [];
    private readonly Dictionary<string, JsonNode?> _values = [];
    private readonly Dictionary<string, string> _places = [];
    private readonly HashSet<string> _failed = [];

    public IReadOnlyList<ExperimentProblem> Problems => _problems;

    /// <summary>Keys whose value is wrong, so that nothing can be said about how it goes with others.</summary>
    public IReadOnlySet<string> Failed => _failed;

    public void Report(ExperimentProblem problem)
    {
        _problems.Add(problem);
        _failed.Add(problem.Key);
    }

    /// <summary>Where a key was last set; null when only built-in layers set it.</summary>
    public string? Place(string key) => _places.GetValueOrDefault(key);

    public void Read(YamlSection root, SettingsLayer layer) => Read(root, ExperimentSchema.Root, layer);

    /// <summary>The settings as the JSON that the experiment's records are read from.</summary>
    public JsonObject ToJson()
    {
        var root = new JsonObject();
        foreach (var (path, value) in _values)
        {
            var section = root;
            var parts = path.Split('.');
            foreach (var part in parts[..^1])
            {
                if (section[part] is not JsonObject child) section[part] = child = [];
                section = child;
            }
            section[parts[^1]] = value?.DeepClone();
        }
        return root;
    }

    private void Read(YamlSection yaml, SchemaSection schema, SettingsLayer layer)
    {
        var lines = new Dictionary<string, int>();
        foreach (var (line, key, value) in yaml.Entries)
        {
            var path = schema.Path == "" ? key : $"{schema.Path}.{key}";
            var where = layer.Describe(line);
            if (!lines.TryAdd(key, line))
                Report(new(where, path, $"the key is given twice; the first is on {layer.Describe(lines[key])}."));
            else if (!schema.Children.TryGetValue(key, out var node))
                Report(new(where, path, $"there is no such key; {Suggestion(key, schema)}"));
            else if (node is SchemaKey leaf)
                ReadKey(leaf, value, where, layer);
            else if (value is YamlSection section)
                Read(section, (SchemaSection)node, layer);
            else if (value is not YamlScalar { IsNull: true })
                Report(new(where, path, $"found {Found(value)}; allowed is a section with {List(((SchemaSection)node).Children.Keys)}."));
        }
    }

    private void ReadKey(SchemaKey key, YamlValue value, string where, SettingsLayer layer)
    {
        if (Convert(key, value, layer.Folder) is { } converted)
        {
            _values[key.Path] = converted.Value;
            if (!layer.BuiltIn) _places[key.Path] = where;
            _failed.Remove(key.Path);
        }
        else
        {
            var meant = value is YamlScalar { Quoted: false } scalar && key.Words is not null
                && Spelling.Nearest(scalar.Text, key.Words) is { } near
                ? $"; did you mean {near}?" : ".";
            Report(new(where, key.Path, $"found {Found(value)}; allowed {Allowed(key)}{meant}"));
        }
    }

    private const NumberStyles Decimal = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    private readonly record struct Converted(JsonNode? Value);

    private static Converted? Convert(SchemaKey key, YamlValue value, string folder) => value switch
    {
        YamlScalar { IsNull: true } => key.Nullable ? new Converted(null) : null,
        YamlScalar scalar when key.Type == typeof(string) => Text(key, scalar.Text, folder),
        YamlScalar { Quoted: true } when key.Words is null => null,
        YamlScalar scalar when key.Type == typeof(bool) => scalar.Text is "true" or "false" ? new Converted(scalar.Text == "true") : null,
        YamlScalar scalar when key.Type == typeof(int) => Number<int>(key, scalar.Text, NumberStyles.AllowLeadingSign),
        YamlScalar scalar when key.Type == typeof(ulong) => Number<ulong>(key, scalar.Text, NumberStyles.None),
        YamlScalar scalar when key.Type == typeof(double) => Number<double>(key, scalar.Text, Decimal),
        YamlScalar scalar when key.Type.IsEnum => Word(key, scalar.Text) is { } word ? new Converted(word) : null,
        YamlList list when key.Type.IsGenericType => Words(key, list),
        _ => null,
    };

    private static Converted? Text(SchemaKey key, string text, string folder)
    {
        if (text.Length == 0 || text.Any(char.IsControl)) return null;
        if (key.Words is not null) return Word(key, text) is { } word ? new Converted(word) : null;
        return new Converted(ExperimentSchema.Paths.Contains(key.Path) ? Path.GetFullPath(text, folder) : text);
    }

    private static Converted? Number<T>(SchemaKey key, string text, NumberStyles styles) where T : INumber<T>
    {
        if (!T.TryParse(text, styles, CultureInfo.InvariantCulture, out var number)) return null;
        var approximate = double.CreateSaturating(number);
        if (key.Range is { } range && !(approximate >= range.Smallest && approximate <= range.Largest)) return null;
        return new Converted(JsonValue.Create(number));
    }

    private static Converted? Words(SchemaKey key, YamlList list)
    {
        var words = list.Items.Select(i => i is YamlScalar s ? Word(key, s.Text) : null).ToList();
        return words.Contains(null) || words.Distinct().Count() < words.Count
            ? null
            : new Converted(new JsonArray([.. words.Select(w => JsonValue.Create(w))]));
    }

    /// <summary>Hyphens, underscores and capitals do not count as mistakes.</summary>
    private static string? Word(SchemaKey key, string text)
    {
        return key.Words!.FirstOrDefault(w => Bare(w) == Bare(text));

        static string Bare(string word) => word.Replace("-", "").Replace("_", "").ToLowerInvariant();
    }

    private static string Suggestion(string key, SchemaSection schema)
    {
        var meant = Spelling.Nearest(key, schema.Children.Keys) is { } sibling
            ? schema.Children[sibling].Path
            : ExperimentSchema.Keys.Keys.FirstOrDefault(path => path.EndsWith($".{key}", StringComparison.Ordinal));
        return meant is not null ? $"did you mean {meant}?" : $"allowed are {List(schema.Children.Keys)}.";
    }

    private static string Found(YamlValue value) => value switch
    {
        YamlScalar { IsNull: true } => "nothing",
        YamlScalar { Quoted: true } s => $"the text \"{Shortened(s.Text)}\"",
        YamlScalar s => Shortened(s.Text),
        YamlList => "a list",
        _ => "a section",
    };

    private static string Shortened(string text)
    {
        var clean = Printable.Clean(text);
        return clean.Length <= 60 ? clean : $"{clean[..57]}…";
    }

    private static string Allowed(SchemaKey key)
    {
        var range = key.Range is { } r ? $" from {Text(r.Smallest)} to {Text(r.Largest)}" : "";
        var kind = key switch
        {
            { Words: { } words, Type.IsGenericType: true } => $"is a list, in brackets, of different ones of {List(words)}",
            { Words: { } words } => $"are {List(words)}",
            _ when key.Type == typeof(bool) => "are true and false",
            _ when key.Type == typeof(double) => $"is a number{range}",
            _ when key.Type == typeof(string) => "is a text of one line",
            _ => $"is a whole number{range}",
        };
        return key.Nullable ? $"{kind}, or null" : kind;

        static string Text(double number) => number.ToString(number < 1e6 ? "R" : "0", CultureInfo.InvariantCulture);
    }

    private static string List(IEnumerable<string> words) => string.Join(", ", words);
}
