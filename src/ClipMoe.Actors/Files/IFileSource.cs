namespace ClipMoe.Actors.Files;

/// <summary>Where files come from that are not in this node's output folder.</summary>
public interface IFileSource
{
    /// <summary>Writes the file to <paramref name="path"/>, whole or not at all.</summary>
    /// <exception cref="IOException">No node has it.</exception>
    void Fetch(WrittenFile file, string path);

    /// <summary>Whether a node has a file of this path; that it is the right one is found out when it is fetched.</summary>
    bool Has(WrittenFile file);
}
