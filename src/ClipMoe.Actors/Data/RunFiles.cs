using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Data;

/// <summary>The files of a run as a process reaches them: in its output folder, and where that is not shared, from other nodes.</summary>
public sealed class RunFiles(RunFolder folder, IFileSource? elsewhere)
{
    /// <summary>Absolute path of a file, which is fetched first where it is not here.</summary>
    /// <exception cref="IOException">No node has it.</exception>
    public string Local(WrittenFile file)
    {
        var path = folder.Absolute(file.Path);
        if (elsewhere is not null && !File.Exists(path)) elsewhere.Fetch(file, path);
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
