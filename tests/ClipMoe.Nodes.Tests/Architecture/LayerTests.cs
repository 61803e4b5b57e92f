namespace ClipMoe.Nodes.Tests.Architecture;

/// <summary>
/// A namespace is a layer: it uses layers below it, never one above. <c>layers.txt</c> lists them, bottom to top, with what each may use;
/// a new arrow is a decision, made there.
/// </summary>
public sealed class LayerTests
{
    [Fact]
    public void Namespaces_use_only_what_the_list_of_layers_allows()
    {
        var allowed = Layers.Read().SelectMany(l => l.Uses.Select(u => (l.Name, u))).ToHashSet();
        var forbidden = SourceTree.Arrows().Where(a => !allowed.Contains((a.From, a.To)))
            .Select(a => $"{a.From} uses {a.To}: {string.Join(", ", a.Types)} in {a.File}").ToList();
        Assert.True(forbidden.Count == 0, string.Join('\n', forbidden));
    }

    [Fact]
    public void The_list_of_layers_allows_nothing_that_no_file_uses()
    {
        var used = SourceTree.Arrows().Select(a => (a.From, a.To)).ToHashSet();
        var idle = Layers.Read().SelectMany(l => l.Uses.Select(u => (l.Name, u))).Where(arrow => !used.Contains(arrow)).ToList();
        Assert.True(idle.Count == 0, string.Join('\n', idle.Select(a => $"no file of {a.Name} uses {a.u}")));
    }

    [Fact]
    public void Each_layer_uses_only_layers_that_are_listed_before_it()
    {
        var below = new HashSet<string>();
        foreach (var layer in Layers.Read())
        {
            Assert.True(layer.Uses.All(below.Contains),
                $"{layer.Name} uses what is not below it: {string.Join(", ", layer.Uses.Where(u => !below.Contains(u)))}");
            Assert.True(below.Add(layer.Name), $"{layer.Name} is listed twice");
        }
    }

    [Fact]
    public void Every_namespace_is_a_layer_and_every_folder_a_namespace()
    {
        var listed = Layers.Read().Select(l => l.Name).ToHashSet();
        foreach (var path in SourceTree.FilesBelow("src"))
        {
            var folder = Path.GetDirectoryName(Path.GetRelativePath(Path.Combine(SourceTree.Root, "src"), path))!.Replace('/', '.');
            var file = SourceFile.Read(path);
            Assert.Equal((folder, path), (file.Namespace, path));
            Assert.Contains(file.Namespace, listed);
        }
    }
}

/// <summary>One layer: a namespace, and the namespaces of its project that it may use.</summary>
internal sealed record Layer(string Name, IReadOnlyList<string> Uses);

/// <summary>The list in <c>layers.txt</c>.</summary>
internal static class Layers
{
    /// <summary>Layers of each project, bottom to top.</summary>
    public static IReadOnlyList<Layer> Read()
    {
        var layers = new List<Layer>();
        var project = "";
        foreach (var line in File.ReadLines(Path.Combine(SourceTree.Root, "tests/ClipMoe.Nodes.Tests/Architecture/layers.txt")))
        {
            var words = line.Split((char[])[' ', ':'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0 || words[0].StartsWith('#')) continue;
            if (!line.StartsWith(' ')) project = words[0];
            else layers.Add(new Layer(Full(words[0]), [.. words.Skip(1).Select(Full)]));
        }
        return layers;

        string Full(string name) => name == "(root)" ? project : $"{project}.{name}";
    }
}
