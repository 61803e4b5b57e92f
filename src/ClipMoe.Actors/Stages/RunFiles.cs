using System.Collections.Concurrent;
using ClipMoe.Actors.Files;
using ClipMoe.Model;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Files;

namespace ClipMoe.Actors.Stages;

/// <summary>The files of a run as a process reaches them: in its output folder, and where that is not shared, from other nodes.</summary>
/// <param name="keep">Checkpoints of a stage to keep, at least two.</param>
/// <param name="elsewhere">Null where the output folder is the only place.</param>
public sealed class RunFiles(RunFolder folder, int keep, IFileSource? elsewhere)
{
    /// <summary>
    /// The newest checkpoint is not in the journal yet when the others are thinned out, so the one before it is still needed.
    /// </summary>
    private const int LeastKept = 2;

    private readonly ConcurrentDictionary<string, string> _checked = new();

    /// <summary>Whether the file is here as it was written, or a node has one of its path.</summary>
    public bool Has(WrittenFile file) => FileHash.Sha256OrNull(folder.Absolute(file.Path)) == file.Sha256 || elsewhere?.Has(file) == true;

    /// <summary>Absolute path of a file, which is fetched first where it is not here, or another one is.</summary>
    /// <exception cref="LostFileException">No node has it.</exception>
    public string Local(WrittenFile file)
    {
        var path = folder.Absolute(file.Path);
        if (elsewhere is null || (_checked.TryGetValue(file.Path, out var sha256) && sha256 == file.Sha256)) return path;
        try
        {
            if (FileHash.Sha256OrNull(path) != file.Sha256) elsewhere.Fetch(file, path);
        }
        catch (IOException e) when (e is not FileWriteException)
        {
            throw new LostFileException(file, e.Message, e);
        }
        _checked[file.Path] = file.Sha256;
        return path;
    }

    /// <summary>Checkpoints of a training stage in this node's output folder.</summary>
    public CheckpointStore Checkpoints(string stage) => new(folder.Absolute(RunFolder.StageFolder(stage)), Math.Max(LeastKept, keep));

    /// <summary>A checkpoint of a training stage, whose every byte is checked; fetched first where it is not here.</summary>
    /// <exception cref="LostFileException">It is missing or damaged, here and on every node; the file is its manifest.</exception>
    public Checkpoint Checkpoint(string stage, int step, string manifestSha256)
    {
        var manifest = Manifest(stage, step, manifestSha256);
        try
        {
            if (elsewhere is not null)
            {
                foreach (var part in Model.Checkpoints.Checkpoint.Read(Local(manifest)).Parts)
                    Local(new WrittenFile(Path.Combine(RunFolder.StageFolder(stage), part.File), part.Sha256));
            }
            return Checkpoints(stage).Open(step, manifestSha256);
        }
        catch (Exception e) when (e is UserErrorException or LostFileException)
        {
            throw new LostFileException(manifest, e.Message, e);
        }
    }

    /// <summary>Checks a checkpoint that is here; of one that is elsewhere, only that a node has it.</summary>
    /// <exception cref="UserErrorException">It is missing or damaged.</exception>
    public void Check(string stage, int step, string manifestSha256)
    {
        var manifest = Manifest(stage, step, manifestSha256);
        if (File.Exists(folder.Absolute(manifest.Path)) || elsewhere?.Has(manifest) != true) Checkpoints(stage).Open(step, manifestSha256);
    }

    /// <summary>The file that stands for a checkpoint.</summary>
    public static WrittenFile Manifest(string stage, int step, string sha256) =>
        new(Path.Combine(RunFolder.StageFolder(stage), Model.Checkpoints.Checkpoint.ManifestName(step, sha256)), sha256);
}
