using ClipMoe.Model;
using ClipMoe.Model.Text;

namespace ClipMoe.Nodes.CommandLine;

/// <summary>Captions that a command reads, one a line, from files or standard input.</summary>
internal static class CaptionInput
{
    /// <summary>The name that stands for standard input.</summary>
    public const string StandardInput = "-";

    /// <summary>All lines of all files, in order, read as they are asked for.</summary>
    /// <exception cref="UserErrorException">A file cannot be read.</exception>
    public static IEnumerable<string> Lines(IEnumerable<string> paths)
    {
        foreach (var path in paths)
        {
            using var stream = Open(path);
            foreach (var line in CaptionLines.Read(stream, path == StandardInput ? "standard input" : path)) yield return line;
        }
    }

    private static Stream Open(string path)
    {
        if (path == StandardInput) return Console.OpenStandardInput();
        try
        {
            return File.OpenRead(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException(
                $"The captions {path} cannot be read: {e.Message.TrimEnd('.')}; give a text file with one caption a line.", e);
        }
    }
}
