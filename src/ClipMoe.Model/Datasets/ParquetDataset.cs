using Parquet;
using Parquet.Schema;

namespace ClipMoe.Model.Datasets;

/// <summary>Parquet with two string columns; a missing value becomes an empty string, and so a bad sample.</summary>
internal static class ParquetDataset
{
    /// <exception cref="UserErrorException">The file can't be read as such a table.</exception>
    public static ListedImages Open(string file, string? imageRoot, ColumnNames columns)
    {
        var paths = new PackedStrings();
        var captions = new PackedStrings();
        try
        {
            ParquetFooter.Check(file);
            var reading = Task.Factory.StartNew(
                () => Read(file, columns, paths, captions).GetAwaiter().GetResult(),
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            if (Task.WaitAny([reading], Patience(file)) < 0)
                throw new UserErrorException($"{file} is damaged in a way that its reader never ends: get the file again.");
            reading.GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is not UserErrorException)
        {
            // What the package throws on damaged files is not documented, and is of many types.
            throw new UserErrorException($"{file} is no readable Parquet file: {e.Message}", e);
        }

        return new ListedImages(file, DatasetFormat.Parquet, imageRoot, paths, captions);
    }

    /// <summary>
    /// The last wall against well-formed metadata that contradicts itself, on which Parquet.Net may loop; far above any real time.
    /// </summary>
    private static TimeSpan Patience(string file) => TimeSpan.FromSeconds(60 + (new FileInfo(file).Length >> 20));

    private static async Task Read(string file, ColumnNames columns, PackedStrings paths, PackedStrings captions)
    {
        await using var stream = new StrictFile(file);
        await using var reader = await ParquetReader.CreateAsync(stream, new ParquetOptions { TreatByteArrayAsString = true });
        var fields = reader.Schema.GetDataFields();
        var (path, caption) = columns.Find(file, [.. fields.Select(f => f.Path.ToString())]);
        for (var g = 0; g < reader.RowGroupCount; g++)
        {
            var group = reader.OpenRowGroupReader(g);
            if (group.RowCount < 0 || group.RowCount > stream.Length)
                throw new UserErrorException($"{file} is damaged: it claims {group.RowCount} rows in {stream.Length} bytes.");
            await ReadColumn(file, group, fields[path], paths);
            await ReadColumn(file, group, fields[caption], captions);
        }
    }

    private static async Task ReadColumn(string file, ParquetRowGroupReader group, DataField field, PackedStrings values)
    {
        if (field.ClrType != typeof(ReadOnlyMemory<char>) || field.MaxRepetitionLevel > 0)
            throw new UserErrorException($"The column {field.Path} of {file} holds no strings: name another column.");
        if (group.GetMetadata(field)?.MetaData?.NumValues != group.RowCount)
            throw new UserErrorException($"{file} is damaged: the column {field.Path} has not as many values as there are rows.");
        var strings = new string?[group.RowCount];
        await group.ReadAsync(field, strings!);
        foreach (var value in strings)
            values.Add(value ?? "");
    }

    /// <summary>A file that can't be read past its end byte by byte: Parquet.Net takes the −1 there for a value, again and again.</summary>
    private sealed class StrictFile(string path) : FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16)
    {
        public override int ReadByte() => base.ReadByte() is var value and >= 0 ? value
            : throw new EndOfStreamException("it ends too early");
    }
}
