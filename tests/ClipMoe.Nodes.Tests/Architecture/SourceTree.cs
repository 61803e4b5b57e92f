using System.Text.RegularExpressions;

namespace ClipMoe.Nodes.Tests.Architecture;

/// <summary>A use of types of one namespace in a file of another.</summary>
internal sealed record SourceArrow(string From, string To, string File, IReadOnlyList<string> Types);

/// <summary>One source file: its namespace, the top-level types it declares, and its words, without comments and strings.</summary>
internal sealed partial record SourceFile(string Path, string Namespace, IReadOnlyList<string> Types, string Code)
{
    public static SourceFile Read(string path)
    {
        var code = CommentOrString().Replace(File.ReadAllText(path), m => m.Value.StartsWith('$') ? Holes(m.Value) : " ");
        return new SourceFile(
            path, NamespaceLine().Match(code) is { Success: true } found ? found.Groups[1].Value : "ClipMoe.Nodes",
            [.. TypeLine().Matches(code).Select(m => m.Groups[1].Value)], code);
    }

    /// <summary>What an interpolated string computes.</summary>
    private static string Holes(string text) => string.Join(' ', Hole().Matches(text).Select(m => m.Value));

    [GeneratedRegex(
        """(?s)///?[^\n]*|/\*.*?\*/|\$*"{3,}.*?"{3,}|\$@?"(?:[^"\\\n{]|\\.|\{[^}]*\})*"|""" +
        """@"(?:[^"]|"")*"|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+'""")]
    private static partial Regex CommentOrString();

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Hole();

    [GeneratedRegex(@"(?m)^namespace ([\w.]+);")]
    private static partial Regex NamespaceLine();

    /// <summary>Types at the file's top level are not indented.</summary>
    [GeneratedRegex(
        @"(?m)^(?:(?:public|internal|file|sealed|static|abstract|partial|readonly|unsafe|ref) )*" +
        @"(?:record struct|record|class|struct|interface|enum|delegate \S+) (\w+)")]
    private static partial Regex TypeLine();
}

/// <summary>The sources of the three projects, and which namespace uses which.</summary>
internal static partial class SourceTree
{
    /// <summary>The folder that holds the solution.</summary>
    public static string Root { get; } = Find(AppContext.BaseDirectory);

    /// <summary>All C# files below a folder of the repository, without what builds leave there.</summary>
    public static IEnumerable<string> FilesBelow(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains("/obj/", StringComparison.Ordinal) && !f.Contains("/bin/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);

    /// <summary>
    /// Every use of a type of another namespace of the same project: by a using directive, by a qualified name, or because an enclosing
    /// namespace is seen without one.
    /// </summary>
    public static IReadOnlyList<SourceArrow> Arrows()
    {
        var files = FilesBelow("src").Select(SourceFile.Read).ToList();
        var types = files.GroupBy(f => f.Namespace).ToDictionary(g => g.Key, g => g.SelectMany(f => f.Types).ToHashSet());
        return [.. files.SelectMany(f => ArrowsOf(f, types))];
    }

    private static IEnumerable<SourceArrow> ArrowsOf(SourceFile file, IReadOnlyDictionary<string, HashSet<string>> types)
    {
        var words = Word().Matches(file.Code).Select(m => m.Value).ToHashSet();
        foreach (var (other, declared) in types)
        {
            if (other == file.Namespace || ProjectOf(other) != ProjectOf(file.Namespace)) continue;
            var used = declared.Where(words.Contains).Order(StringComparer.Ordinal).ToList();
            // A using directive may be there for extension methods alone.
            var isImported = file.Code.Contains($"using {other};", StringComparison.Ordinal);
            if (!isImported && !file.Namespace.StartsWith(other + ".", StringComparison.Ordinal))
                used = [.. used.Where(type => IsQualified(file.Code, other, type))];
            if (used.Count > 0 || isImported) yield return new SourceArrow(file.Namespace, other, Path.GetFileName(file.Path), used);
        }
    }

    /// <summary>Whether the type is written with the namespace, or the end of it, before its name.</summary>
    private static bool IsQualified(string code, string space, string type) =>
        Regex.IsMatch(code, $@"\b{Regex.Escape(space[(space.LastIndexOf('.') + 1)..])}\.{type}\b");

    private static string ProjectOf(string space) => string.Join('.', space.Split('.').Take(2));

    private static string Find(string folder) => File.Exists(Path.Combine(folder, "ClipMoe.sln")) ? folder
        : Find(Path.GetDirectoryName(folder)!);

    [GeneratedRegex(@"\w+")]
    private static partial Regex Word();
}
