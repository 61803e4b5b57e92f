using ClipMoe.Model.Files;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.TensorFiles.Safetensors;
using ClipMoe.Model.TensorFiles.Torch;

namespace ClipMoe.Model.Checkpoints;

/// <summary>Opens and creates files of tensors: what is read is told by its content, what is written by its name.</summary>
public static class TensorFile
{
    private const string SafetensorsExtension = ".safetensors";

    /// <exception cref="UserErrorException">The file is missing, damaged, or of no kind that ClipMoe reads.</exception>
    public static ITensorFile Open(string path) => KindOf(path) switch
    {
        Kind.Safetensors => SafetensorsFile.Open(path),
        Kind.Archive => TorchFile.Open(path),
        Kind.LegacyTorch => throw new UserErrorException(
            $"{path} is in the format that PyTorch wrote before 1.6: load it there and save it again with torch.save."),
        _ => throw new UserErrorException($"{path} is neither a safetensors file nor a PyTorch archive (.pt)."),
    };

    /// <summary>A writer of PyTorch's format when the path ends in <c>.pt</c> or <c>.pth</c>, of safetensors otherwise.</summary>
    public static TensorWriter Create(string path, IReadOnlyList<TensorInfo> tensors, IReadOnlyDictionary<string, string>? metadata =
        null) =>
        Path.GetExtension(path).ToLowerInvariant() is ".pt" or ".pth"
            ? new TorchWriter(path, tensors, metadata)
            : new SafetensorsWriter(path, tensors, metadata);

    /// <summary>Whether the file at this path is meant to hold tensors, by its content or, where that is damaged, by its name.</summary>
    public static bool Recognizes(string path) =>
        File.Exists(path) && (Path.GetExtension(path).ToLowerInvariant() is SafetensorsExtension or ".pt" or ".pth"
            || KindOf(path) != Kind.Unknown);

    /// <summary>
    /// SHA-256 of a file in lower-case hexadecimal, as provenance records it; the hash of its data that it may carry is compared in the
    /// same pass.
    /// </summary>
    /// <exception cref="UserErrorException">Its data is not what was written.</exception>
    public static string Sha256(ITensorFile file) => file is SafetensorsFile safetensors ? safetensors.Sha256()
        : FileHash.Sha256(file.Path);

    private enum Kind { Unknown, Safetensors, Archive, LegacyTorch }

    private static Kind KindOf(string path)
    {
        using var handle = TensorFileReads.OpenHandle(path);
        Span<byte> start = stackalloc byte[9];
        start = start[..(int)Math.Min(start.Length, RandomAccess.GetLength(handle))];
        TensorFileReads.ReadExactly(path, handle, start, 0);
        if (start.StartsWith("PK\x03\x04"u8)) return Kind.Archive;
        // The pickled "magic number" of torch's first format: PROTO 2, LONG1 of 10 bytes.
        if (start.StartsWith((ReadOnlySpan<byte>)[0x80, 2, 0x8a, 10])) return Kind.LegacyTorch;
        var named = Path.GetExtension(path).Equals(SafetensorsExtension, StringComparison.OrdinalIgnoreCase);
        var plausible = start.Length == 9 && start[8] == (byte)'{' && BitConverter.ToUInt64(start) <= SafetensorsHeader.MaxLength;
        return named || plausible ? Kind.Safetensors : Kind.Unknown;
    }
}
