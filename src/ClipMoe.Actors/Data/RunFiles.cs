using System.Collections.Concurrent;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Data;

/// <summary>The files of a run as a process reaches them: in its output folder, and where that is not shared, from other nodes.</summary>
/// <param name="elsewhere">Null where the output folder is the only place.</param>
public sealed class RunFiles(RunFolder folder, IFileSource? elsewhere)
{
    private readonly ConcurrentDictionary<string, string> _checked = new();

    /// <summary>Absolute path of a file, which is fetched first where it is not here, or another one is.</summary>
    /// <exception cref="IOException">No node has it.</exception>
    public string Local(WrittenFile file)
    {
        var path = folder.Absolute(file.Path);
        if (elsewhere is null || (_checked.TryGetValue(file.Path, out var sha256) && sha256 == file.Sha256)) return path;
        if (ArtifactCheck.Sha256(path) != file.Sha256) elsewhere.Fetch(file, path);
        _checked[file.Path] = file.Sha256;
        return path;
    }
}

/// <summary>Where files come from that are not in this node's output folder.</summary>
public interface IFileSource
{
    /// <summary>Writes the file to <paramref name="path"/>, whole or not at all.</summary>
    /// <exception cref="IOException">No node has it.</exception>
    void Fetch(WrittenFile file, string path);
}
