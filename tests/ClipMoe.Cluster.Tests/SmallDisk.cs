namespace ClipMoe.Cluster.Tests;

/// <summary>A small file system in memory, mounted over a folder. Needs root.</summary>
internal sealed class SmallDisk : IDisposable
{
    private static readonly Lazy<string?> Tried = new(Try);

    private readonly string _folder;

    private SmallDisk(string folder) => _folder = folder;

    /// <summary>Why there can be none here; null when there can.</summary>
    public static string? Lack => Tried.Value;

    private string Ballast => Path.Combine(_folder, "ballast");

    /// <param name="folder">Made if it is not there.</param>
    /// <exception cref="InvalidOperationException">The system refused.</exception>
    public static SmallDisk Mount(string folder, int megabytes)
    {
        Directory.CreateDirectory(folder);
        if (SystemProgram.Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "clipmoe-test", folder) is { } error)
            throw new InvalidOperationException($"a file system can't be mounted: {error}");
        return new SmallDisk(folder);
    }

    /// <summary>Leaves not a byte free.</summary>
    public void Fill()
    {
        using var ballast = new FileStream(Ballast, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        var block = new byte[Environment.SystemPageSize];
        try
        {
            while (true) ballast.Write(block);
        }
        catch (IOException)
        {
            // Full.
        }
    }

    public void Free() => File.Delete(Ballast);

    /// <summary>Also while processes still use it.</summary>
    public void Dispose() => SystemProgram.Run("umount", "--lazy", _folder);

    private static string? Try()
    {
        var folder = Directory.CreateTempSubdirectory("clipmoe-disk-").FullName;
        try
        {
            using var disk = Mount(folder, 1);
            return null;
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return $"{e.Message} (root is needed)";
        }
        finally
        {
            Directory.Delete(folder);
        }
    }
}

/// <summary>
/// A test with a disk of its own; skipped, visibly, where none can be mounted, except on a build server (<c>CI=true</c>).
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class DiskFactAttribute : FactAttribute
{
    public DiskFactAttribute()
    {
        if (Environment.GetEnvironmentVariable("CI") != "true") Skip = SmallDisk.Lack;
    }
}
