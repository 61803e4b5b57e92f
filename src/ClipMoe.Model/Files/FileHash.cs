using System.Security.Cryptography;

namespace ClipMoe.Model.Files;

/// <summary>SHA-256 of files, in lower-case hexadecimal.</summary>
public static class FileHash
{
    /// <exception cref="IOException">The file is missing or can't be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static string Sha256(string path)
    {
        using var stream = File.OpenRead(path);
        return Sha256(stream);
    }

    /// <summary>From the stream's position to its end.</summary>
    public static string Sha256(Stream stream) => Convert.ToHexStringLower(SHA256.HashData(stream));

    /// <returns>Null when the file is missing or unreadable.</returns>
    public static string? Sha256OrNull(string path)
    {
        try
        {
            return Sha256(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Of a file that has just been written.</summary>
    /// <exception cref="IOException">It can't be read back.</exception>
    public static string Sha256OfWritten(string path) =>
        Sha256OrNull(path) ?? throw new IOException($"{path} can't be read right after it was written: check the disk.");
}
