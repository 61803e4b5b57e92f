using CsvHelper;

namespace ClipMoe.Model.Datasets;

/// <summary>CSV or TSV with a header line; the separator (comma, semicolon, tab, |) is detected.</summary>
internal static class CsvDataset
{
    /// <summary>More in one record means that a quote was never closed.</summary>
    private const int MaxRecordBytes = 4 << 20;

    /// <exception cref="UserErrorException">The file can't be read as such a table.</exception>
    public static ListedImages Open(string file, string? imageRoot, ColumnNames columns)
    {
        var paths = new PackedStrings();
        var captions = new PackedStrings();
        var options = new CsvReaderOptions
        {
            MaxRecordSize = MaxRecordBytes,
            TrackLineNumbers = true,
            OnMalformedRecord = record =>
            {
                if (record.Reason == CsvMalformedReason.UnterminatedQuote)
                    throw new UserErrorException($"The quote in line {record.LineNumber} of {file} is never closed: close it.");
            },
        };
        try
        {
            using var reader = CsvReader.FromFile(file, options);
            var (path, caption) = columns.Find(file, reader.Headers);
            while (reader.Read())
            {
                paths.Add(reader.GetSpan(path));
                captions.Add(reader.GetSpan(caption));
            }
        }
        catch (CsvFormatException e)
        {
            throw new UserErrorException($"{file} is damaged near line {e.LineNumber}: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{file} can't be read: {e.Message}", e);
        }

        return new ListedImages(file, DatasetFormat.Csv, imageRoot, paths, captions);
    }
}
