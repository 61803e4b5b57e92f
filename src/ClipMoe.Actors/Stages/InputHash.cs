using System.Security.Cryptography;
using System.Text;
using ClipMoe.Model.Files;

namespace ClipMoe.Actors.Stages;

/// <summary>Lower-case hexadecimal SHA-256 of the files that an experiment names; null where they are not there.</summary>
public static class InputHash
{
    /// <summary>Of a vocabulary's file; of one that is a folder, of the files that it consists of.</summary>
    public static string? OfVocabulary(string path)
    {
        if (!Directory.Exists(path)) return FileHash.Sha256OrNull(path);
        var parts = ((string[])["vocab.json", "merges.txt"]).Select(name => FileHash.Sha256OrNull(Path.Combine(path, name))).ToList();
        return parts.Contains(null) ? null : Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Join('\n', parts))));
    }
}
