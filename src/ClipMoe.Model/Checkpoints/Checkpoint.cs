using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using ClipMoe.Model.Files;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.TensorFiles.Safetensors;

namespace ClipMoe.Model.Checkpoints;

/// <summary>One file of a checkpoint, with what it must contain.</summary>
/// <param name="Name">What is in it: <c>model</c>, <c>optimizer</c>, <c>position</c> …</param>
public sealed record CheckpointPart(string Name, string File, long Length, string Sha256);

/// <summary>A checkpoint in a <see cref="CheckpointStore"/>: a step of training and the files that hold its whole state.</summary>
/// <param name="ManifestSha256">Names the checkpoint's exact content: equal states give equal hashes.</param>
public sealed record Checkpoint(string Folder, long Step, string ManifestSha256, IReadOnlyList<CheckpointPart> Parts)
{
    private static readonly JsonSerializerOptions Indented = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public string ManifestPath => Path.Combine(Folder, ManifestName(Step, ManifestSha256));

    public bool Has(string part) => Parts.Any(p => p.Name == part);

    /// <summary>Path of a part's file.</summary>
    /// <exception cref="UserErrorException">The checkpoint has no such part.</exception>
    public string PathOf(string part) => Path.Combine(Folder, Parts.FirstOrDefault(p => p.Name == part)?.File
        ?? throw new UserErrorException($"{ManifestPath} has no part \"{part}\": it was written by another version of ClipMoe."));

    /// <summary>
    /// A part that <see cref="CheckpointWriter.Tensors"/> wrote; the store has compared its every byte before it handed this out.
    /// </summary>
    public ITensorFile OpenTensors(string part) => SafetensorsFile.OpenIntact(PathOf(part));

    /// <summary>A part that <see cref="CheckpointWriter.Json"/> wrote.</summary>
    /// <exception cref="UserErrorException">There is no such part, or it holds something else.</exception>
    public T ReadJson<T>(string part)
    {
        var path = PathOf(part);
        try
        {
            return JsonSerializer.Deserialize<T>(File.ReadAllBytes(path), JsonSerializerOptions.Web) ?? throw new JsonException();
        }
        catch (JsonException e)
        {
            throw new UserErrorException($"{path} is not what this version of ClipMoe writes there.", e);
        }
    }

    /// <summary>Name of the file that lists a checkpoint's parts.</summary>
    public static string ManifestName(long step, string sha256) => $"{step:d8}-{sha256[..16]}.manifest.json";

    /// <summary>The manifest's bytes; they depend on nothing but the step and the parts' content.</summary>
    internal static byte[] Manifest(long step, IReadOnlyList<CheckpointPart> parts) =>
        JsonSerializer.SerializeToUtf8Bytes(new ManifestFile(step, parts), Indented);

    /// <summary>Reads a manifest and checks that it is as it was written, by the hash in its own name.</summary>
    /// <exception cref="UserErrorException">It is damaged; the message says why.</exception>
    public static Checkpoint Read(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var sha256 = Convert.ToHexStringLower(SHA256.HashData(bytes));
        try
        {
            if (JsonSerializer.Deserialize<ManifestFile>(bytes, JsonSerializerOptions.Web) is { Parts: not null } manifest
                && Path.GetFileName(path) == ManifestName(manifest.Step, sha256)
                && manifest.Parts.All(p => p is { Name: not null, File: not null, Sha256: not null } && Path.GetFileName(p.File) == p.File))
            {
                return new Checkpoint(Path.GetDirectoryName(path)!, manifest.Step, sha256, manifest.Parts);
            }
        }
        catch (JsonException)
        {
            // Whether the text still parses or not, it is not what was written.
        }

        throw new UserErrorException($"the manifest {path} is damaged.");
    }

    /// <summary>Reads every part and compares it with the manifest.</summary>
    /// <exception cref="UserErrorException">A part is missing, cut off or changed; the message says which.</exception>
    internal void Verify()
    {
        foreach (var part in Parts)
        {
            VerifyLength(part);
            if (FileHash.Sha256(PathOf(part.Name)) != part.Sha256)
                throw new UserErrorException($"{PathOf(part.Name)} is damaged: its content is not what was written.");
        }
    }

    /// <summary>The cheap part of <see cref="Verify"/>.</summary>
    internal void VerifyLengths()
    {
        foreach (var part in Parts) VerifyLength(part);
    }

    private void VerifyLength(CheckpointPart part)
    {
        var file = new FileInfo(PathOf(part.Name));
        if (!file.Exists) throw new UserErrorException($"{file.FullName} is missing.");
        if (file.Length != part.Length)
            throw new UserErrorException($"{file.FullName} is damaged: it has {file.Length} bytes instead of {part.Length}.");
    }

    private sealed record ManifestFile(long Step, IReadOnlyList<CheckpointPart> Parts);
}
