using Microsoft.Win32.SafeHandles;

namespace ClipMoe.Model.TensorFiles;

/// <summary>What readers of all formats share: errors that name the file, ranges that are checked, elements converted in pieces.</summary>
internal static class TensorFileReads
{
    private const int ChunkBytes = 1 << 18;

    internal static SafeFileHandle OpenHandle(string path)
    {
        try
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read, FileOptions.RandomAccess);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new UserErrorException(File.Exists(path) || Directory.Exists(path)
                ? $"{path} cannot be read: {e.Message.TrimEnd('.')}."
                : $"{path} does not exist.", e);
        }
    }

    internal static void ReadExactly(string path, SafeFileHandle handle, Span<byte> destination, long offset)
    {
        while (!destination.IsEmpty)
        {
            int read;
            try
            {
                read = RandomAccess.Read(handle, destination, offset);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new UserErrorException($"{path} cannot be read at byte {offset}: {e.Message.TrimEnd('.')}.", e);
            }

            if (read == 0) throw new UserErrorException($"{path} ends at byte {offset}, in the middle of its data; copy it again.");
            destination = destination[read..];
            offset += read;
        }
    }

    internal static TensorInfo CheckRange(ITensorFile file, string name, long offset, long length)
    {
        var info = file.Get(name);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, info.ByteLength - offset);
        return info;
    }

    internal static void ReadFloats(ITensorFile file, string name, Span<float> destination, long offset)
    {
        var info = file.Get(name);
        if (!info.Type.IsFloat())
            throw new UserErrorException($"tensor {Printable.Quote(name)} in {file.Path} holds {info.Type}, not floating-point numbers.");
        var size = info.Type.Size();
        var buffer = new byte[(int)Math.Min(ChunkBytes, (long)destination.Length * size)];
        while (!destination.IsEmpty)
        {
            var count = Math.Min(destination.Length, ChunkBytes / size);
            var chunk = buffer.AsSpan(0, count * size);
            file.Read(name, chunk, offset * size);
            TensorConversion.ToFloats(info.Type, chunk, destination);
            destination = destination[count..];
            offset += count;
        }
    }
}
