using System.IO.Hashing;
using System.Text;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Model;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Datasets;
using ClipMoe.Model.Datasets.Scenes;
using ClipMoe.Model.Files;
using ClipMoe.Model.Images;
using ClipMoe.Model.Sampling;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.Text;

namespace ClipMoe.Actors.Stages;

/// <summary>
/// What a process knows of the run it works for: experiment, output folder, device, and once prepared or opened the data.
/// </summary>
/// <param name="elsewhere">Where files come from that are not in the output folder; null where it is the only place.</param>
public sealed class Workspace(
    string id, Experiment experiment, string hash, RunFolder folder, WorkerDevice device, IFileSource? elsewhere = null) : IDisposable
{
    private RunData? _data;
    private DataPrepared? _prepared;
    private readonly Lazy<string?> _checkpointSha256 =
        new(() => experiment.Model.Checkpoint is { } path ? FileHash.Sha256OrNull(path) : null);

    /// <summary>Names the experiment in the journal and between processes.</summary>
    public string Id => id;
    public Experiment Experiment => experiment;
    public string Hash => hash;
    public RunFolder Folder => folder;
    public WorkerDevice Device => device;
    public RunFiles Files { get; } = new(folder, experiment.Checkpoints.Keep, elsewhere);
    public ModelFiles Models => new(experiment, folder, Files, device);
    public RunData Data => _data ?? throw new InvalidOperationException("the data set is used before the data stage");
    public ShardLayout Shards => ShardLayout.For(Data.Train.Length);
    public string DataDescription => experiment.Data.Path ?? RunFolder.EmbeddedBenchmark;

    /// <summary>Architecture of a base trained from scratch: the named one, with the tokenizer's vocabulary.</summary>
    public ClipConfig ScratchConfig
    {
        get
        {
            var named = ClipConfig.Named(experiment.Model.Name);
            return named with
            {
                VocabularySize = Data.Tokenizer.VocabularySize,
                ContextLength = experiment.Model.ContextLength ?? named.ContextLength,
                Loss = experiment.Training.Loss,
            };
        }
    }

    /// <summary>What a model file says of its origin.</summary>
    public Provenance Provenance(string stage, int? step) => new(BaseSha256, hash, stage, step);

    /// <summary>The checkpoint that is to be taken over, once it is sure that it is still the one that the run began with.</summary>
    /// <exception cref="UserErrorException">It is not.</exception>
    public ITensorFile OpenCheckpoint(string path)
    {
        if (_prepared?.CheckpointSha256 is { } begun && FileHash.Sha256OrNull(path) is var found && found != begun)
        {
            throw new UserErrorException(
                $"the checkpoint {path} {(found is null ? "is missing" : "changed")} since this run began: restore it, or start a new " +
                $"run in another --out folder. Nothing was lost.");
        }
        return TensorFile.Open(path);
    }

    /// <summary>Makes the benchmark where no data is given, finds bad samples, splits, learns the vocabulary where none is given.</summary>
    /// <param name="progress">Samples checked and their number.</param>
    /// <exception cref="UserErrorException">The data can't be used; the message says why and what to do.</exception>
    public DataPrepared Prepare(Action<int, int> progress, CancellationToken cancellation)
    {
        if (experiment.Data.Path is null) MakeBenchmark(cancellation);
        var resolution = BaseConfig().ImageResolution;
        var images = OpenImages();
        var scan = Kept(images) ?? Scan(images, resolution, progress, cancellation);
        scan.RequireAtMost(experiment.Data.MaxBadFraction, folder.Root);
        var splits = DatasetSplits.Create(images, scan.Usable(), experiment.Seed, experiment.Data.TestSplit);
        if (splits.HeldOut.Length == 0)
        {
            throw new UserErrorException(
                $"the data set {images.Name} leaves none of its {scan.Usable().Length} usable samples to test on: raise " +
                $"data.test_split, now {experiment.Data.TestSplit}, or give the data a test split.");
        }
        if (experiment.Data.Vocabulary is null) LearnVocabulary(images, splits);
        _data = Assemble(images, splits, resolution);
        string[] written = [DatasetScan.BadSamplesFile, DatasetScan.ScanFile, .. experiment.Data.Vocabulary is null
            ? [RunFolder.VocabularyFile] : (string[])[]];
        return _prepared = new DataPrepared(
            images.Fingerprint, splits.Train.Length, splits.HeldOut.Length, scan.Bad.Count, InputHash.OfVocabulary(VocabularyPath)!,
            [.. written.Select(f => new WrittenFile(f, FileHash.Sha256OfWritten(folder.Absolute(f))))])
        {
            ImageResolution = resolution,
            CheckpointSha256 = BaseSha256,
        };
    }

    /// <summary>Opens what <see cref="Prepare"/> found, in a run that is taken up again.</summary>
    /// <exception cref="UserErrorException">The data set or the vocabulary is not what it was.</exception>
    public void Open(DataPrepared expected)
    {
        if (_data is not null) return;
        _prepared = expected;
        var damaged = expected.Files.Where(file => FileHash.Sha256OrNull(Files.Local(file)) != file.Sha256).ToList();
        if (experiment.Data.Path is null) MakeBenchmark(CancellationToken.None);
        var images = OpenImages();
        if (images.Fingerprint != expected.Fingerprint)
        {
            throw new UserErrorException(
                $"the data set {images.Name} changed since this run began: restore it, or start a new run in another --out folder. " +
                $"Nothing was lost.");
        }
        if (InputHash.OfVocabulary(VocabularyPath) != expected.VocabularySha256)
        {
            throw new UserErrorException(
                $"the vocabulary {VocabularyPath} is missing or changed since this run began: restore it, or start a new run in another " +
                $"--out folder.");
        }
        var resolution = expected.ImageResolution ?? BaseConfig().ImageResolution;
        var scan = damaged.Count == 0 ? DatasetScan.Load(folder.Root, images) : null;
        _data = Assemble(
            images, DatasetSplits.Create(images, (scan ?? ScanAgain(images, resolution, expected)).Usable(), experiment.Seed,
                experiment.Data.TestSplit), resolution);
    }

    /// <summary>A stage's stream of random numbers hangs on its name, so that leaving out a comparison changes no other stage.</summary>
    public int StreamOf(string stage) => (int)(XxHash32.HashToUInt32(Encoding.UTF8.GetBytes(stage)) & int.MaxValue);

    /// <summary>Which samples make up each batch of a stage.</summary>
    public EpochOrder OrderOf(TrainModel stage, ExperimentState state) =>
        OrderOf(stage, stage.Order is ClusterPureOrder pure ? state.FileOf(pure.Labels) : null);

    /// <param name="labels">Index of the labels, for a stage with cluster-pure batches.</param>
    public EpochOrder OrderOf(TrainModel stage, WrittenFile? labels)
    {
        var stream = StreamOf(stage.Name);
        if (labels is null) return EpochOrder.Shuffled(experiment.Seed, stream, Data.Train.Length, experiment.Batch.Size);
        var mcl = experiment.Mcl;
        return EpochOrder.ClusterPure(experiment.Seed, stream, LabelsOf(labels), experiment.Batch.Size, mcl.Leftovers, mcl.Schedule);
    }

    /// <summary>The pseudo labels of an index; shards that are not here are fetched when they are touched.</summary>
    public ShardedLabels LabelsOf(WrittenFile index) => ShardedLabels.Open(
        Files.Local(index), index.Sha256, (path, sha256) => Files.Local(new WrittenFile(Path.GetRelativePath(folder.Root, path), sha256)));

    public void Dispose() => _data?.Dispose();

    /// <summary>Of the checkpoint as the run began with it, which may be gone by now.</summary>
    private string? BaseSha256 => _prepared?.CheckpointSha256 ?? _checkpointSha256.Value;

    /// <summary>
    /// Architecture of the base as far as it is known before the data: the vocabulary of one from scratch is still to come.
    /// </summary>
    private ClipConfig BaseConfig()
    {
        if (experiment.Model.Checkpoint is not { } path) return ClipConfig.Named(experiment.Model.Name);
        using var checkpoint = TensorFile.Open(path);
        return CheckpointConfig.Infer(checkpoint);
    }

    private ImagePreprocessor PreprocessorOf(ICaptionedImages images, int resolution) => new(resolution, experiment.Data.Conversion switch
    {
        Experiments.ImageConversion.AsIs => Model.Images.ConversionOrder.AsIs,
        Experiments.ImageConversion.RgbFirst => Model.Images.ConversionOrder.RgbFirst,
        _ => SampleImages.DefaultConversion(images.Format),
    });

    private string VocabularyPath => experiment.Data.Vocabulary ?? folder.Vocabulary;

    private ICaptionedImages OpenImages() => experiment.Data.Path is { } path
        ? DatasetReader.Open(
            path, experiment.Data.Format, experiment.Data.ImageRoot,
            new ColumnNames(experiment.Data.PathColumn, experiment.Data.CaptionColumn), indexFolder: Path.Combine(folder.Root, "index"))
        : DatasetReader.Open(folder.BenchmarkData, DatasetFormat.Folder);

    /// <summary>What an attempt that ended in the middle of this stage found; null where the data was changed since, or repaired.</summary>
    private DatasetScan? Kept(ICaptionedImages images)
    {
        try
        {
            return DatasetScan.Load(folder.Root, images);
        }
        catch (UserErrorException)
        {
            return null;
        }
    }

    /// <summary>Makes the files of the scan anew where they were lost or damaged.</summary>
    /// <exception cref="UserErrorException">The data does not give the same ones.</exception>
    private DatasetScan ScanAgain(ICaptionedImages images, int resolution, DataPrepared expected)
    {
        var scan = Scan(images, resolution, (_, _) => { }, CancellationToken.None);
        var differing = expected.Files.FirstOrDefault(file => FileHash.Sha256OrNull(folder.Absolute(file.Path)) != file.Sha256);
        return differing is null ? scan : throw new UserErrorException(
            $"{folder.Absolute(differing.Path)} was damaged, and the data set {images.Name} no longer gives the one that this run began " +
            $"with: restore either, or start a new run in another --out folder. Nothing was lost.");
    }

    private DatasetScan Scan(ICaptionedImages images, int resolution, Action<int, int> progress, CancellationToken cancellation)
    {
        var seen = 0;
        var scan = DatasetScan.Run(
            images, SampleImages.Check(PreprocessorOf(images, resolution)), cancellation,
            _ => progress(Interlocked.Increment(ref seen), images.Count));
        scan.Save(folder.Root);
        return scan;
    }

    private RunData Assemble(ICaptionedImages images, DatasetSplits splits, int resolution)
    {
        var loader = new BatchLoader(images, resolution, SampleImages.Preparation(PreprocessorOf(images, resolution)), new LoaderLimits());
        return new RunData(images, splits, loader, Tokenizer.Load(VocabularyPath), LoadAttributes());
    }

    /// <summary>By one worker of a node at a time.</summary>
    private void MakeBenchmark(CancellationToken cancellation)
    {
        var settings = new SceneSettings(experiment.Data.BenchmarkTrain, Validation: 0, experiment.Data.BenchmarkTest, experiment.Seed);
        using var turn = FileLock.Wait(folder.BenchmarkData + ".lock", cancellation);
        SceneBenchmark.Make(folder.BenchmarkData, settings, cancellation);
    }

    private AttributeTable? LoadAttributes()
    {
        var file = Path.Combine(folder.BenchmarkData, SceneBenchmark.FactorsFile);
        return experiment.Data.Path is null && File.Exists(file) ? AttributeTable.Load(file) : null;
    }

    private void LearnVocabulary(ICaptionedImages images, DatasetSplits splits) =>
        VocabularyTrainer.Train(splits.Train.Select(i => images.Caption(i).Long), experiment.Data.VocabularySize).Save(folder.Vocabulary);
}
