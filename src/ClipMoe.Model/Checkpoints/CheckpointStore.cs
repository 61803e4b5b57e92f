using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using ClipMoe.Model.Files;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.TensorFiles.Safetensors;

namespace ClipMoe.Model.Checkpoints;

/// <summary>A checkpoint that cannot be used, and why, in a sentence.</summary>
public sealed record DamagedCheckpoint(string ManifestPath, string Why);

/// <summary>
/// The checkpoints of one stage in one folder. A checkpoint exists from the moment its manifest, written last, gets its name; whatever a
/// killed process leaves behind belongs to no manifest and is removed by the next write of the same step or a later one. Of several
/// processes that write to a folder, one that is behind removes nothing of what the others have written.
/// </summary>
/// <param name="folder">Made by the first write.</param>
/// <param name="keep">Checkpoints to keep, the newest first.</param>
public sealed partial class CheckpointStore(string folder, int keep = 2)
{
    private readonly string _folder = Path.GetFullPath(folder);

    /// <summary>Writes a checkpoint, then removes those before it that are beyond the number to keep.</summary>
    /// <exception cref="IOException">The disk is full; the message says what to do, and the checkpoints there stay as they are.</exception>
    public Checkpoint Write(long step, Action<CheckpointWriter> write)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        var writer = new CheckpointWriter(_folder, step);
        write(writer);
        var manifest = Checkpoint.Manifest(step, writer.Parts);
        var checkpoint = new Checkpoint(_folder, step, Convert.ToHexStringLower(SHA256.HashData(manifest)), writer.Parts);
        AtomicFile.WriteAllBytes(checkpoint.ManifestPath, manifest);
        RemoveAllBut(Kept(checkpoint), step);
        return checkpoint;
    }

    /// <summary>The checkpoint of the highest step whose every byte is as written; null when there is none.</summary>
    /// <param name="damaged">Newer ones that had to be passed over.</param>
    public Checkpoint? LatestIntact(out IReadOnlyList<DamagedCheckpoint> damaged)
    {
        var passedOver = new List<DamagedCheckpoint>();
        damaged = passedOver;
        foreach (var path in Manifests())
        {
            try
            {
                var checkpoint = Checkpoint.Read(path);
                checkpoint.Verify();
                return checkpoint;
            }
            catch (Exception e) when (e is UserErrorException or IOException or UnauthorizedAccessException)
            {
                // A disk that cannot give a file back any more is damage like any other.
                passedOver.Add(new DamagedCheckpoint(path, e.Message));
            }
        }

        return null;
    }

    /// <summary>The checkpoint of this step and content, whose every byte is checked.</summary>
    /// <exception cref="UserErrorException">It is missing or damaged; the message says which file and how.</exception>
    public Checkpoint Open(long step, string manifestSha256)
    {
        var path = Path.Combine(_folder, Checkpoint.ManifestName(step, manifestSha256));
        if (!File.Exists(path)) throw new UserErrorException($"the checkpoint {path} is missing.");
        var checkpoint = Checkpoint.Read(path);
        checkpoint.Verify();
        return checkpoint;
    }

    /// <summary>
    /// The new checkpoint and, before it, the newest that look whole; a damaged one must not push out one that can be used.
    /// </summary>
    private List<Checkpoint> Kept(Checkpoint written)
    {
        var kept = new List<Checkpoint> { written };
        foreach (var path in Manifests().Where(p => StepOf(p) < written.Step))
        {
            if (kept.Count == keep) break;
            try
            {
                var checkpoint = Checkpoint.Read(path);
                checkpoint.VerifyLengths();
                kept.Add(checkpoint);
            }
            catch (Exception e) when (e is UserErrorException or IOException or UnauthorizedAccessException)
            {
                // It was already reported when it was passed over, or it will never be needed.
            }
        }

        return kept;
    }

    private void RemoveAllBut(List<Checkpoint> kept, long step)
    {
        var files = kept.SelectMany(c => c.Parts.Select(p => p.File).Append(Path.GetFileName(c.ManifestPath))).ToHashSet();
        // Manifests first: if a kill comes between, files without a manifest are harmless, a manifest without its files is not.
        foreach (var name in Files().Select(p => Path.GetFileName(p)).Where(IsBehind).Except(files)
            .OrderByDescending(n => ManifestName().IsMatch(n)))
            File.Delete(Path.Combine(_folder, name));

        // What is of a later step is not this process's to judge, and what is temporary of the same step another may still write to.
        bool IsBehind(string name) => StepOf(name) < step
            || (StepOf(name) == step && (!IsTemporary(name) || AtomicFile.IsAbandoned(Path.Combine(_folder, name))));

        static bool IsTemporary(string name) => name.Contains(AtomicFile.TemporaryMark, StringComparison.Ordinal);
    }

    private IEnumerable<string> Manifests() =>
        Files().Where(p => ManifestName().IsMatch(Path.GetFileName(p))).OrderByDescending(StepOf).ThenBy(p => p, StringComparer.Ordinal);

    /// <summary>Our own files in the folder, with temporary ones; anything else that lies there is left alone.</summary>
    private List<string> Files() =>
        Directory.Exists(_folder) ? [.. Directory.EnumerateFiles(_folder).Where(p => OwnName().IsMatch(Path.GetFileName(p)))] : [];

    private static long StepOf(string manifest) => long.Parse(Path.GetFileName(manifest).Split('-')[0]);

    [GeneratedRegex(@"^\d{8,18}-[0-9a-f]{16}\.manifest\.json\z")]
    private static partial Regex ManifestName();

    [GeneratedRegex(@"^\d{8,18}-.+\.(json|safetensors)(\" + AtomicFile.TemporaryMark + @".*)?\z")]
    private static partial Regex OwnName();
}

/// <summary>Takes the parts of one checkpoint while it is being written.</summary>
public sealed class CheckpointWriter
{
    private readonly string _folder;
    private readonly long _step;
    private readonly List<CheckpointPart> _parts = [];

    internal CheckpointWriter(string folder, long step) => (_folder, _step) = (folder, step);

    internal IReadOnlyList<CheckpointPart> Parts => _parts;

    /// <summary>A part of named tensors, as a safetensors file.</summary>
    public void Tensors(
        string part, IReadOnlyList<TensorInfo> tensors, Action<TensorWriter> write, IReadOnlyDictionary<string, string>? metadata = null) =>
        Add(part, "safetensors", path =>
        {
            using var writer = new SafetensorsWriter(path, tensors, metadata);
            write(writer);
            writer.Commit();
        });

    /// <summary>A part that is JSON: the position in training, generator states.</summary>
    public void Json<T>(string part, T value) =>
        Add(part, "json", path => AtomicFile.WriteAllBytes(path, JsonSerializer.SerializeToUtf8Bytes(value, JsonSerializerOptions.Web)));

    /// <summary>Files are named by what is in them, so that writing a step again never touches the files of the first time.</summary>
    private void Add(string part, string extension, Action<string> write)
    {
        var unnamed = Path.Combine(_folder, AtomicFile.TemporaryName($"{_step:d8}-{part}.{extension}", Environment.ProcessId));
        write(unnamed);
        var sha256 = FileHash.Sha256OfWritten(unnamed);
        var name = $"{_step:d8}-{part}-{sha256[..16]}.{extension}";
        _parts.Add(new CheckpointPart(part, name, new FileInfo(unnamed).Length, sha256));
        File.Move(unnamed, Path.Combine(_folder, name), overwrite: true);
    }
}
