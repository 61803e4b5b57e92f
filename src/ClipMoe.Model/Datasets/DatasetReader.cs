namespace ClipMoe.Model.Datasets;

/// <summary>Opens a data set of any of the formats.</summary>
public static class DatasetReader
{
    /// <param name="path">A folder, a file, or for webdataset also a pattern like <c>shards/{00000..00099}.tar</c>.</param>
    /// <param name="imageRoot">Folder that the image paths in a JSON, CSV or Parquet file start from; null: the file's own.</param>
    /// <param name="columns">Of a CSV or Parquet file.</param>
    /// <param name="indexFolder">Where the indices of webdataset tars are kept between runs; null: nowhere.</param>
    /// <exception cref="UserErrorException">Nothing is there, or it is no data set of that format.</exception>
    public static ICaptionedImages Open(
        string path, DatasetFormat format = DatasetFormat.Auto, string? imageRoot = null, ColumnNames? columns = null,
        string? indexFolder = null)
    {
        if (format == DatasetFormat.Auto)
            format = Detect(path);
        else if (!File.Exists(path) && !Directory.Exists(path) && !(format == DatasetFormat.WebDataset && WebDataset.IsPattern(path)))
            throw new UserErrorException($"There is no data set {path}.") { IsMissing = true };
        return format switch
        {
            DatasetFormat.Folder => FolderDataset.Open(path),
            DatasetFormat.ShareGpt4V => ShareGpt4VDataset.Open(path, imageRoot),
            DatasetFormat.WebDataset => WebDataset.Open(path, indexFolder),
            DatasetFormat.Csv => CsvDataset.Open(path, imageRoot, columns ?? new ColumnNames()),
            DatasetFormat.Parquet => ParquetDataset.Open(path, imageRoot, columns ?? new ColumnNames()),
            _ => throw new ArgumentOutOfRangeException(nameof(format)),
        };
    }

    /// <summary>Whether <see cref="Open"/> would take this path for a data set, by its name alone.</summary>
    public static bool LooksLikeDataset(string path) =>
        Directory.Exists(path) || WebDataset.IsPattern(path) || ByExtension(path) != DatasetFormat.Auto;

    private static DatasetFormat Detect(string path)
    {
        if (Directory.Exists(path))
            return Directory.EnumerateFiles(path, "*.tar").Any() ? DatasetFormat.WebDataset : DatasetFormat.Folder;
        if (!File.Exists(path) && !WebDataset.IsPattern(path))
            throw new UserErrorException($"There is no data set {path}.") { IsMissing = true };
        var format = WebDataset.IsPattern(path) ? DatasetFormat.WebDataset : ByExtension(path);
        return format != DatasetFormat.Auto
            ? format
            : throw new UserErrorException(
                $"{path} is no data set that can be told by its name: give a folder, .tar, .json, .csv, .tsv or .parquet, or say its " +
                $"format.");
    }

    private static DatasetFormat ByExtension(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".tar" => DatasetFormat.WebDataset,
        ".json" => DatasetFormat.ShareGpt4V,
        ".csv" or ".tsv" => DatasetFormat.Csv,
        ".parquet" => DatasetFormat.Parquet,
        _ => DatasetFormat.Auto,
    };
}
