using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace ClipMoe.Model.Files;

/// <summary>
/// A file that appears whole or not at all: written to a temporary file in the same folder, flushed to the disk, renamed over the target,
/// and the folder flushed too, so that neither a kill nor a power cut leaves half a file or loses the one that was there.
/// </summary>
public sealed partial class AtomicFile : IDisposable
{
    /// <summary>Part of the name of every temporary file, so that what a killed process left behind can be recognized.</summary>
    public const string TemporaryMark = ".clipmoe-tmp-";

    private const string TemporaryPattern = @"\" + TemporaryMark + @"(?<process>\d+)-[0-9a-f]+@(?<machine>[^@]+)\z";

    private readonly string _path, _temporary;
    private bool _committed;

    private AtomicFile(string path)
    {
        _path = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(_path) ?? throw new UserErrorException($"{path} is a folder, not a file that can be written.");
        Directory.CreateDirectory(folder);
        _temporary = TemporaryName(_path, Environment.ProcessId);
        Stream = new FileStream(_temporary, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Read, bufferSize: 1 << 16);
    }

    /// <summary>The temporary file's stream: seekable, and readable so that a header can be filled in afterwards.</summary>
    public FileStream Stream { get; }

    /// <summary>Begins a file, and makes its folder; nothing is visible at <paramref name="path"/> before <see cref="Commit"/>.</summary>
    /// <exception cref="IOException">The folder cannot be written; the message says where and why.</exception>
    public static AtomicFile Create(string path) => Explained(path, () => new AtomicFile(path));

    /// <summary>Writes the whole file in one go, or leaves what was there untouched.</summary>
    /// <exception cref="IOException">The disk is full or the folder cannot be written; the message says where and what to do.</exception>
    public static void Write(string path, Action<Stream> write) => Explained(path, () =>
    {
        using var file = new AtomicFile(path);
        write(file.Stream);
        file.Commit();
        return file;
    });

    /// <inheritdoc cref="Write"/>
    public static void WriteAllBytes(string path, ReadOnlySpan<byte> bytes)
    {
        using var file = Create(path);
        file.WriteAt(0, bytes);
        file.Commit();
    }

    /// <inheritdoc cref="Write"/>
    /// <remarks>UTF-8 without a byte order mark.</remarks>
    public static void WriteAllText(string path, string text) => WriteAllBytes(path, Encoding.UTF8.GetBytes(text));

    /// <summary>Writes past the stream's buffer, at any position; do not mix with writing to <see cref="Stream"/>.</summary>
    /// <exception cref="IOException">The disk is full; the message says where and what to do.</exception>
    public void WriteAt(long position, ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(Stream.SafeFileHandle, bytes, position);
        }
        catch (Exception e) when (e is IOException or ArgumentOutOfRangeException)
        {
            // The framework takes a file that outgrows the file system's or the user's limit (EFBIG) for a wrong argument.
            throw Explain(_path, e);
        }
    }

    /// <summary>Puts the file in its place. Call once, last.</summary>
    public void Commit() => Explained(_path, () =>
    {
        Stream.Flush(flushToDisk: true);
        Stream.Dispose();
        File.Move(_temporary, _path, overwrite: true);
        _committed = true;
        FlushFolder(Path.GetDirectoryName(_path)!);
        return this;
    });

    /// <summary>Without a <see cref="Commit"/> before, removes the temporary file and leaves the target as it was.</summary>
    public void Dispose()
    {
        if (_committed) return;
        try
        {
            Stream.Dispose();
        }
        catch (IOException)
        {
            // A full disk fails the last flush as well; the file is thrown away all the same.
        }

        File.Delete(_temporary);
    }

    /// <summary>A name beside a path's for a temporary file of a process of this machine.</summary>
    internal static string TemporaryName(string path, int process) =>
        $"{path}{TemporaryMark}{process}-{Guid.NewGuid().ToString("n")[..12]}@{Environment.MachineName}";

    /// <summary>
    /// Whether a temporary file is of a process of this machine that has ended; of another machine's that can't be told here.
    /// </summary>
    internal static bool IsAbandoned(string temporary)
    {
        var owner = OwnerOf().Match(temporary);
        if (owner.Groups["machine"].Value != Environment.MachineName || Directory.Exists($"/proc/{owner.Groups["process"]}")) return false;
        try
        {
            // A process of another container may have the same machine's name and a number that no process has here. It has locked what it
            // writes.
            using var exclusive = new FileStream(temporary, FileMode.Open, FileAccess.Read, FileShare.None);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    [GeneratedRegex(TemporaryPattern)]
    private static partial Regex OwnerOf();

    /// <summary>Turns the system's error into a sentence that says which file could not be written and what helps.</summary>
    public static IOException Explain(string path, Exception e)
    {
        const int noSpace = 28, overQuota = 122, diskFull = unchecked((int)0x80070070);
        var reason = e.HResult is noSpace or overQuota or diskFull
            ? $"the disk of {Path.GetDirectoryName(Path.GetFullPath(path))} is full; free some space and run again, what was already " +
            $"written is kept"
            : e is ArgumentOutOfRangeException ? "the file is too large for its file system or for the limit that is set (ulimit -f)"
            : e.Message.TrimEnd('.');
        return new FileWriteException($"{path} could not be written: {reason}.", e);
    }

    private static T Explained<T>(string path, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (e is UnauthorizedAccessException or (IOException and not FileWriteException))
        {
            throw Explain(path, e);
        }
    }

    /// <summary>A rename is only on the disk once the folder is; the framework has no call for that.</summary>
    internal static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        var descriptor = open(folder, 0);
        if (descriptor < 0) return;
        _ = fsync(descriptor);
        _ = close(descriptor);
    }

    [DllImport("libc")]
    private static extern int open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc")]
    private static extern int fsync(int descriptor);

    [DllImport("libc")]
    private static extern int close(int descriptor);
}

/// <summary>A file could not be written. The message is one plain sentence: which file, why, what to do.</summary>
public sealed class FileWriteException(string message, Exception inner) : IOException(message, inner);
