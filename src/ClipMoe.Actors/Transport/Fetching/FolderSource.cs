using Microsoft.Win32.SafeHandles;

namespace ClipMoe.Actors.Transport.Fetching;

/// <summary>The files below a folder; a key is a path relative to it.</summary>
/// <param name="root">What leaves it, by <c>..</c> or through a symbolic link, is refused.</param>
public sealed class FolderSource(string root) : IBulkSource
{
    private readonly string _root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root)) + Path.DirectorySeparatorChar;

    public IBulkContent Open(string key)
    {
        var path = Path.GetFullPath(key.Replace('\0', '?'), _root);
        if (!path.StartsWith(_root, StringComparison.Ordinal) || ThroughLink(path))
            throw new IOException($"{key} is not a file below the served folder");
        try
        {
            return new OpenFile(File.OpenHandle(path));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            throw new IOException($"there is no file {key} here", e);
        }
    }

    private bool ThroughLink(string path)
    {
        for (var at = path; at.Length > _root.Length; at = Path.GetDirectoryName(at)!)
            if (new FileInfo(at).LinkTarget is not null) return true;
        return false;
    }

    private sealed class OpenFile(SafeFileHandle file) : IBulkContent
    {
        public long Length { get; } = RandomAccess.GetLength(file);

        public void Read(long offset, Span<byte> destination)
        {
            for (var done = 0; done < destination.Length;)
            {
                var read = RandomAccess.Read(file, destination[done..], offset + done);
                if (read == 0) throw new IOException("the file became shorter while it was read");
                done += read;
            }
        }

        public void Dispose() => file.Dispose();
    }
}
