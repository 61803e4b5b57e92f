using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using ClipMoe.Model;
using ClipMoe.Model.Files;

namespace ClipMoe.Actors.Reports;

/// <summary>
/// Reads and writes <c>report.json</c> and the results of the evaluation stage. A loss that diverged is written as "NaN".
/// </summary>
public static partial class ReportJson
{
    public static byte[] Write(RunReport report) => JsonSerializer.SerializeToUtf8Bytes(report, Context.Default.RunReport);

    public static void Save(string path, RunReport report) => AtomicFile.WriteAllBytes(path, Write(report));

    public static void Save(string path, EvaluationResults results) =>
        AtomicFile.WriteAllBytes(path, JsonSerializer.SerializeToUtf8Bytes(results, Context.Default.EvaluationResults));

    public static void Save(string path, ModelFigures figures) =>
        AtomicFile.WriteAllBytes(path, JsonSerializer.SerializeToUtf8Bytes(figures, Context.Default.ModelFigures));

    /// <exception cref="UserErrorException">The file is missing or no report.</exception>
    public static RunReport Load(string path) => Load(path, Context.Default.RunReport);

    /// <exception cref="UserErrorException">The file is missing or holds no results of an evaluation.</exception>
    public static EvaluationResults LoadEvaluation(string path) => Load(path, Context.Default.EvaluationResults);

    /// <exception cref="UserErrorException">The file is missing or holds no figures of a model.</exception>
    public static ModelFigures LoadFigures(string path) => Load(path, Context.Default.ModelFigures);

    private static T Load<T>(string path, JsonTypeInfo<T> type) where T : class
    {
        try
        {
            using var file = File.OpenRead(path);
            return JsonSerializer.Deserialize(file, type) ?? throw new JsonException("it is empty");
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{path} can't be read: {e.Message.TrimEnd('.')}.", e);
        }
    }

    [JsonSourceGenerationOptions(
        PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        WriteIndented = true)]
    [JsonSerializable(typeof(RunReport))]
    [JsonSerializable(typeof(EvaluationResults))]
    [JsonSerializable(typeof(ModelFigures))]
    private sealed partial class Context : JsonSerializerContext;
}
