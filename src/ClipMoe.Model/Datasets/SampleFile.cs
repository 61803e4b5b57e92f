using Microsoft.Win32.SafeHandles;

namespace ClipMoe.Model.Datasets;

/// <summary>Whole files, with the errors of the file system turned into reasons why a sample is bad.</summary>
internal static class SampleFile
{
    /// <summary>Larger image files are refused before they are read.</summary>
    public const long MaxImageBytes = 256L << 20;

    public static byte[] ReadImage(string path) => Read(path, MaxImageBytes, "image");

    public static byte[] ReadCaption(string path) => Read(path, CaptionText.MaxBytes, "caption");

    /// <exception cref="BadSampleException">The file ends before.</exception>
    public static byte[] ReadRange(SafeFileHandle file, long start, int length)
    {
        var bytes = GC.AllocateUninitializedArray<byte>(length);
        var read = 0;
        while (read < length)
        {
            var n = RandomAccess.Read(file, bytes.AsSpan(read), start + read);
            if (n == 0)
                throw new BadSampleException("the file has become shorter");
            read += n;
        }

        return bytes;
    }

    private static byte[] Read(string path, long maxBytes, string what)
    {
        try
        {
            // Before opening: opening a named pipe (whose length is 0 too) would wait for a writer for ever.
            var length = new FileInfo(path).Length;
            if (length == 0)
                throw new BadSampleException($"empty {what} file");
            if (length > maxBytes)
                throw new BadSampleException($"{what} file larger than {maxBytes >> 20} MiB");
            using var handle = File.OpenHandle(path);
            return ReadRange(handle, 0, (int)length);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new BadSampleException($"missing {what} file", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new BadSampleException($"{what} file can't be read", e);
        }
    }
}
