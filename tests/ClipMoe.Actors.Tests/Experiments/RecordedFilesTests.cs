using System.Text;
using System.Text.Json.Nodes;
using ClipMoe.Actors.Reports;
using ClipMoe.Actors.Tests.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Model.Checkpoints;
using static ClipMoe.Actors.Training.TrainingCheckpoints;

namespace ClipMoe.Actors.Tests.Experiments;

/// <summary>report.json, results of stages and positions in training are read, and written as they were when they were recorded.</summary>
public sealed class RecordedFilesTests : IDisposable
{
    private static readonly Recording Files = new("recorded-files.txt");

    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-recorded-").FullName;
    private readonly string _file;

    public RecordedFilesTests() => _file = Path.Combine(_folder, "recorded.json");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Every_file_with_every_member_is_written_as_recorded() => Files.RequireAll(
    [
        .. MessageSamples.All(typeof(RunReport)).Select(r => ("report.json", OneLine(ReportJson.Write((RunReport)r)))),
        .. MessageSamples.All(typeof(EvaluationResults)).Select(r => ("evaluation.json", Saved((EvaluationResults)r, ReportJson.Save))),
        .. MessageSamples.All(typeof(TrainingPosition)).Select(p => ("position.json", Text(Stored((TrainingPosition)p)))),
        .. MessageSamples.All(typeof(ModelFigures)).Select(f => ("figures.json", Saved((ModelFigures)f, ReportJson.Save))),
    ]);

    [Fact]
    public void Every_recorded_file_is_read() => Files.RequireReadable((name, json) =>
    {
        File.WriteAllText(_file, json);
        return name switch
        {
            "report.json" => OneLine(ReportJson.Write(ReportJson.Load(_file))),
            "evaluation.json" => Saved(ReportJson.LoadEvaluation(_file), ReportJson.Save),
            "position.json" => Text(Stored(Stored(JsonNode.Parse(json)).ReadJson<TrainingPosition>(Position))),
            "figures.json" => Saved(ReportJson.LoadFigures(_file), ReportJson.Save),
            _ => throw new InvalidDataException(name),
        };
    });

    private string Saved<T>(T content, Action<string, T> save)
    {
        save(_file, content);
        return OneLine(File.ReadAllBytes(_file));
    }

    private Checkpoint Stored<T>(T position) =>
        new CheckpointStore(_folder).Write(step: 1, checkpoint => checkpoint.Json(Position, position));

    private static string Text(Checkpoint checkpoint) => OneLine(File.ReadAllBytes(checkpoint.PathOf(Position)));

    /// <summary>Without the line breaks between the values, which mean nothing.</summary>
    private static string OneLine(byte[] json) => JsonNode.Parse(Encoding.UTF8.GetString(json))!.ToJsonString();
}
