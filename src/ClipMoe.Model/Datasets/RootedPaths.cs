using System.Collections.Concurrent;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Datasets;

/// <summary>
/// Turns the paths that a data set mentions into paths of files, and refuses those that leave the data set's root: by "..", by being
/// absolute, or through a symbolic link. The root itself may be a link.
/// </summary>
internal sealed class RootedPaths
{
    private const int MaxLinks = 40;

    private readonly string _root;
    private readonly string _realRoot;
    private readonly ConcurrentDictionary<string, string> _realFolders = new(StringComparer.Ordinal);

    public RootedPaths(string root)
    {
        _root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));
        _realRoot = RealFolder(_root, 0);
    }

    /// <summary>The image root of a listing file: the one given, or the folder that the file lies in.</summary>
    /// <exception cref="UserErrorException">There is no such folder.</exception>
    public static RootedPaths Below(string? imageRoot, string listing)
    {
        var root = imageRoot ?? Path.GetDirectoryName(Path.GetFullPath(listing))!;
        return Directory.Exists(root)
            ? new RootedPaths(root)
            : throw new UserErrorException($"There is no folder {root} to find the images of {listing} in.") { IsMissing = true };
    }

    /// <returns>The full path, free of symbolic links.</returns>
    /// <exception cref="BadSampleException">The path leaves the root, or is no path.</exception>
    public string Resolve(string path)
    {
        if (path.Length == 0)
            throw new BadSampleException("empty image path");
        if (path.Contains('\0'))
            throw new BadSampleException("image path with a NUL character");
        var full = Path.GetFullPath(path, _root);
        if (!IsInside(full, _root))
            throw new BadSampleException("path leaves the data set's root");
        var real = RealPath(full, 0);
        return IsInside(real, _realRoot) ? real : throw new BadSampleException("symbolic link leaves the data set's root");
    }

    /// <summary><see cref="SampleFile.Stamp"/> of files that the data set mentions; 0 as well where a path leaves the root.</summary>
    public ulong Stamp(params ReadOnlySpan<string> paths)
    {
        try
        {
            var real = new string[paths.Length];
            for (var i = 0; i < paths.Length; i++) real[i] = Resolve(paths[i]);
            return SampleFile.Stamp(real);
        }
        catch (BadSampleException)
        {
            return 0;
        }
    }

    /// <summary>Size in bytes of each file, −1 where there is none inside of the root; looked up in parallel.</summary>
    public long[] Sizes(int count, Func<int, string> path)
    {
        var sizes = new long[count];
        DedicatedThreads.For(count, Environment.ProcessorCount, i => sizes[i] = Size(path(i)));
        return sizes;
    }

    private long Size(string path)
    {
        try
        {
            return new FileInfo(Resolve(path)).Length;
        }
        catch (Exception e) when (e is BadSampleException or IOException or UnauthorizedAccessException)
        {
            return -1;
        }
    }

    private static bool IsInside(string path, string root) =>
        path.StartsWith(root, StringComparison.Ordinal)
        && (path.Length == root.Length || root.EndsWith(Path.DirectorySeparatorChar) || path[root.Length] == Path.DirectorySeparatorChar);

    private string RealPath(string full, int links)
    {
        var folder = Path.GetDirectoryName(full);
        if (folder is null)
            return full;
        var real = Path.Join(RealFolder(folder, links), Path.GetFileName(full));
        return FollowLink(real, links);
    }

    private string RealFolder(string folder, int links)
    {
        if (_realFolders.TryGetValue(folder, out var known))
            return known;
        return _realFolders[folder] = RealPath(folder, links);
    }

    /// <param name="path">A path whose folder is real; only its last component may be a link.</param>
    private string FollowLink(string path, int links)
    {
        string? target;
        try
        {
            target = new FileInfo(path).LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new BadSampleException("image path can't be followed", e);
        }

        if (target is null)
            return path;
        if (links >= MaxLinks)
            throw new BadSampleException("symbolic links in a circle");
        return RealPath(Path.GetFullPath(target, Path.GetDirectoryName(path)!), links + 1);
    }
}
