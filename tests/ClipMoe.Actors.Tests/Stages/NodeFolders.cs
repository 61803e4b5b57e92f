using ClipMoe.Actors.Files;
using ClipMoe.Model.Files;

namespace ClipMoe.Actors.Tests.Stages;

/// <summary>The output folders of nodes that share a disk with the test.</summary>
internal sealed class NodeFolders(string root) : IFileSource
{
    public void Fetch(WrittenFile file, string path)
    {
        var found = Directory.EnumerateDirectories(root).Select(node => Path.Combine(node, file.Path))
            .FirstOrDefault(copy => FileHash.Sha256OrNull(copy) == file.Sha256) ?? throw new IOException($"no node has {file.Path}");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.Copy(found, path);
    }

    public bool Has(WrittenFile file) => Directory.EnumerateDirectories(root).Any(node => File.Exists(Path.Combine(node, file.Path)));
}
