namespace ClipMoe.Model.Datasets;

/// <summary>Names of the columns with the image's path and its caption; null: the first of the usual names that the file has.</summary>
public sealed record ColumnNames(string? Path = null, string? Caption = null)
{
    internal static readonly string[] UsualPaths = ["path", "image", "filepath", "file", "image_path", "filename"];
    internal static readonly string[] UsualCaptions = ["caption", "text", "title"];

    /// <summary>Positions of the two columns in a file.</summary>
    /// <exception cref="UserErrorException">The file lacks one of them.</exception>
    internal (int Path, int Caption) Find(string file, IReadOnlyList<string> columns) =>
        (Find(file, columns, Path, UsualPaths, "the path of the image"), Find(file, columns, Caption, UsualCaptions, "the caption"));

    private static int Find(string file, IReadOnlyList<string> columns, string? wanted, string[] usual, string what)
    {
        foreach (var name in wanted is null ? usual : [wanted])
            for (var c = 0; c < columns.Count; c++)
                if (string.Equals(columns[c].Trim(), name, StringComparison.OrdinalIgnoreCase))
                    return c;
        var expected = wanted is null ? $"none of {string.Join(", ", usual)}" : $"no {wanted}";
        throw new UserErrorException(
            $"{file} has no column for {what}: {expected} among its columns {string.Join(", ", columns.Take(20))}; name the column.");
    }
}

/// <summary>
/// A table of image paths and captions (CSV, Parquet). The table is kept in memory as UTF-8, about as large as its text; images are read
/// when they are asked for, from below the image root.
/// </summary>
internal sealed class ListedImages : ICaptionedImages
{
    private readonly RootedPaths _root;
    private readonly PackedStrings _paths;
    private readonly PackedStrings _captions;

    /// <exception cref="UserErrorException">The table has no rows.</exception>
    public ListedImages(string file, DatasetFormat format, string? imageRoot, PackedStrings paths, PackedStrings captions)
    {
        if (paths.Count == 0)
            throw new UserErrorException($"{file} has no rows: a data set is a table with a path and a caption in each row.");
        Name = file;
        Format = format;
        _root = RootedPaths.Below(imageRoot, file);
        _paths = paths;
        _captions = captions;
        var sizes = _root.Sizes(paths.Count, i => paths[i]);
        var fingerprint = new FingerprintBuilder("list");
        for (var i = 0; i < sizes.Length; i++)
            fingerprint.Add(paths.Bytes(i)).Add(captions.Bytes(i)).Add(sizes[i]);
        Fingerprint = fingerprint.Finish();
    }

    public string Name { get; }
    public DatasetFormat Format { get; }
    public int Count => _paths.Count;
    public string Fingerprint { get; }

    public string Key(int index) => _paths[index];

    public Caption Caption(int index) => CaptionText.FromText(CaptionText.Decode(_captions.Bytes(index)));

    public ReadOnlyMemory<byte> ReadImage(int index) => SampleFile.ReadImage(_root.Resolve(_paths[index]));

    public ulong Stamp(int index) => _root.Stamp(_paths[index]);

    public SampleSplit? GivenSplit(int index) => null;

    public void Dispose()
    {
    }
}
