namespace ClipMoe.Actors.Files;

/// <summary>Tells output folders apart, also where several machines reach the same one, under whatever names.</summary>
public static class OutputIdentity
{
    private const string FileName = ".output-id";

    /// <summary>The name of the folder for all processes that reach it; given by the first that asks.</summary>
    /// <exception cref="IOException">The folder can't be made.</exception>
    public static string ReadOrCreate(string output)
    {
        Directory.CreateDirectory(output);
        var link = new FileInfo(Path.Combine(output, FileName));
        try
        {
            // A symbolic link to nowhere: file systems, those of networks too, make it whole or not at all, and only one of several that
            // try.
            if (link.LinkTarget is null) link.CreateAsSymbolicLink($"{Guid.NewGuid():n}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another process was faster, or the file system has no links: then every path is a folder of its own, and one that is shared
            // is written to twice.
        }
        link.Refresh();
        return link.LinkTarget ?? $"{Environment.MachineName}:{Path.GetFullPath(output)}";
    }
}
