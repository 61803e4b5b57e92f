namespace ClipMoe.Actors.Files;

/// <summary>Where things lie in the output folder of a run. Paths in the journal are relative to it, so that it can be moved.</summary>
public sealed record RunFolder(string Root)
{
    public string Journal => Path.Combine(Root, "journal.db");
    public string Experiment => Path.Combine(Root, "experiment.yaml");
    public string BenchmarkData => Path.Combine(Root, "data");
    public string BadSamples => Path.Combine(Root, "bad-samples.jsonl");
    public string Vocabulary => Path.Combine(Root, VocabularyFile);
    public string ReportJson => Path.Combine(Root, "report.json");
    public string ReportHtml => Path.Combine(Root, "report.html");
    public string TensorBoard => Path.Combine(Root, "tensorboard");

    public string Absolute(string relative) => Path.Combine(Root, relative);

    /// <summary>What stands for the path of a data set that was made in the folder.</summary>
    public const string EmbeddedBenchmark = "embedded benchmark";

    public const string VocabularyFile = "vocabulary.txt.gz";

    public static string StageFolder(string stage) => Path.Combine("stages", stage);
    public static string ModelFile(string stage) => Path.Combine("stages", stage, "model.safetensors");
    public static string ShardFile(string stage, int shard) => Path.Combine("stages", stage, $"features-{shard:D6}.safetensors");
    /// <summary>The index of a stage's pseudo labels; their shards lie beside it.</summary>
    public static string LabelsFile(string stage) => Path.Combine("stages", stage, "labels.safetensors");
    public static string FiguresFile(string stage, string model) => Path.Combine("stages", stage, $"figures-{model}.json");
    public static string EvaluationFile(string stage) => Path.Combine("stages", stage, "evaluation.json");
}
