using System.Security.Cryptography;
using System.Text;
using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Data;

/// <summary>Lower-case hexadecimal SHA-256 of the files that an experiment names; null where they are not there.</summary>
public static class InputHash
{
    public static string? OfFile(string path) => ArtifactCheck.Sha256(path);

    /// <summary>Of a vocabulary's file; of one that is a folder, of the files that it consists of.</summary>
    public static string? OfVocabulary(string path)
    {
        if (!Directory.Exists(path)) return OfFile(path);
        var parts = ((string[])["vocab.json", "merges.txt"]).Select(name => OfFile(Path.Combine(path, name))).ToList();
        return parts.Contains(null) ? null : Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Join('\n', parts))));
    }
}
