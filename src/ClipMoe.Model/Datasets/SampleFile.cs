using System.IO.Hashing;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ClipMoe.Model.Datasets;

/// <summary>Whole files, with the errors of the file system turned into reasons why a sample is bad.</summary>
internal static class SampleFile
{
    /// <summary>Larger image files are refused before they are read.</summary>
    public const long MaxImageBytes = 256L << 20;

    public static byte[] ReadImage(string path) => Read(path, MaxImageBytes, "image");

    public static byte[] ReadCaption(string path) => Read(path, CaptionText.MaxBytes, "caption");

    /// <summary>
    /// Sizes and modification times of files as one number; 0 where one is missing. See <see cref="ICaptionedImages.Stamp"/>.
    /// </summary>
    public static ulong Stamp(params ReadOnlySpan<string> paths)
    {
        Span<long> seen = stackalloc long[2 * paths.Length];
        for (var i = 0; i < paths.Length; i++)
        {
            var file = new FileInfo(paths[i]);
            if (!file.Exists) return 0;
            (seen[2 * i], seen[2 * i + 1]) = (file.Length, file.LastWriteTimeUtc.Ticks);
        }

        return XxHash3.HashToUInt64(MemoryMarshal.AsBytes(seen));
    }

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
