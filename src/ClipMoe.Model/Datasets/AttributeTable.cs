namespace ClipMoe.Model.Datasets;

/// <summary>One attribute and its values, in order of first appearance.</summary>
public sealed record SampleAttribute(string Name, IReadOnlyList<string> Values);

/// <summary>
/// True attributes of samples, for linear probes only: a CSV file whose first column is the sample's <see cref="ICaptionedImages.Key"/> and
/// whose other columns are attributes with few values each. No quoting.
/// </summary>
public sealed class AttributeTable
{
    private readonly Dictionary<string, int[]> _rows = new(StringComparer.Ordinal);

    private AttributeTable(IReadOnlyList<SampleAttribute> attributes) => Attributes = attributes;

    public IReadOnlyList<SampleAttribute> Attributes { get; }

    /// <summary>Index into the values of attribute number <paramref name="attribute"/>; null for a sample without a row.</summary>
    public int? Value(string key, int attribute) => _rows.TryGetValue(key, out var row) ? row[attribute] : null;

    /// <exception cref="UserErrorException">The file is missing or has a row of another length than the header.</exception>
    public static AttributeTable Load(string path)
    {
        if (!File.Exists(path))
            throw new UserErrorException($"There is no attribute file {path}.");
        using var lines = File.ReadLines(path).GetEnumerator();
        var header = lines.MoveNext() ? lines.Current.Split(',') : [];
        if (header.Length < 2)
            throw new UserErrorException($"The attribute file {path} has no attributes: its first line must be key,NAME,NAME…");
        var values = header[1..].Select(_ => new List<string>()).ToArray();
        var codes = values.Select(_ => new Dictionary<string, int>(StringComparer.Ordinal)).ToArray();
        var table = new AttributeTable([.. header[1..].Select((name, a) => new SampleAttribute(name, values[a]))]);
        for (var line = 2; lines.MoveNext(); line++)
        {
            var fields = lines.Current.Split(',');
            if (fields.Length != header.Length)
                throw new UserErrorException($"Line {line} of the attribute file {path} has {fields.Length} fields instead of " +
                    $"{header.Length}.");
            var row = new int[values.Length];
            for (var a = 0; a < row.Length; a++)
            {
                if (codes[a].TryAdd(fields[a + 1], values[a].Count))
                    values[a].Add(fields[a + 1]);
                row[a] = codes[a][fields[a + 1]];
            }

            table._rows[fields[0]] = row;
        }

        return table;
    }
}
