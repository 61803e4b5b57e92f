using System.Reflection;

namespace ClipMoe.Model.Text.Unicode;

/// <summary>The tables of this room, embedded as plain text: one fact a line, <c>#</c> starts a comment line.</summary>
internal static class EmbeddedLines
{
    /// <param name="name">The resource's name behind <c>ClipMoe.Model.</c>.</param>
    internal static IEnumerable<string> Read(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("ClipMoe.Model." + name)
            ?? throw new InvalidOperationException($"The embedded table {name} is missing from the build.");
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0 && line[0] != '#') yield return line;
        }
    }
}
