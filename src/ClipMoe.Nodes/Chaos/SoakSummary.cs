using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ClipMoe.Nodes.Chaos;

/// <summary>An experiment that ran to its end while the cluster was disturbed.</summary>
internal sealed record SoakedExperiment(string Id, double Seconds, string WeightsSha256);

/// <summary>Seconds from a kill -9 of a worker to the next step that the others committed.</summary>
internal sealed record RecoveryTimes(int Measured, double Median, double P90, double Max)
{
    /// <returns>Null when nothing was measured.</returns>
    public static RecoveryTimes? FromSeconds(IReadOnlyCollection<double> seconds)
    {
        var sorted = seconds.Order().ToList();
        return sorted.Count == 0 ? null : new RecoveryTimes(sorted.Count, At(0.5), At(0.9), sorted[^1]);

        double At(double quantile) => sorted[(int)Math.Ceiling(quantile * sorted.Count) - 1];
    }
}

/// <param name="Repeat">What to type to have the same faults again.</param>
/// <param name="Seconds">From the first fault's time on to the end, the undisturbed run not counted.</param>
/// <param name="Faults">Done, by kind.</param>
/// <param name="Impossible">Drawn when the cluster had nothing that they could be done to, or too little would have been left
/// alive.</param>
/// <param name="UndisturbedStepsPerSecond">Of the same experiment in one process; null when it was not run.</param>
/// <param name="TimeLost">
/// Share of the time that the undisturbed run would not have needed for the committed steps; negative where many workers were faster.
/// </param>
internal sealed record SoakSummary(
    string Repeat, ulong Seed, double Minutes, double Seconds, bool Interrupted, string? ExpectedSha256,
    IReadOnlyDictionary<ChaosFault, int> Faults, int Impossible,
    IReadOnlyList<SoakedExperiment> Experiments, int CommittedSteps, double StepsPerSecond, double? UndisturbedStepsPerSecond,
    double? TimeLost,
    RecoveryTimes? AfterKilledWorker, IReadOnlyList<string> Violations)
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    public int FaultCount => Faults.Values.Sum();

    public string Json() => JsonSerializer.Serialize(this, Options);

    public string Text()
    {
        var lines = new List<string> { "", "faults" };
        lines.AddRange(Enum.GetValues<ChaosFault>().Select(kind => $"  {Describe(kind),-58}{Faults.GetValueOrDefault(kind),5}"));
        lines.Add($"  {"in all",-58}{FaultCount,5}");
        lines.Add($"  {"drawn, but not possible at that moment",-58}{Impossible,5}");
        lines.Add("");
        lines.Add(Row("experiments finished", Experiments.Count == 0 ? "0" : $"{Experiments.Count}, each with weights {ExpectedSha256}"));
        lines.Add(Row("committed steps", $"{CommittedSteps} in {Number(Seconds)} s, {Number(StepsPerSecond)} a second"));
        if (UndisturbedStepsPerSecond is { } rate && TimeLost is { } lost)
            lines.Add(Row("undisturbed, in one process", $"{Number(rate)} steps a second: {Number(100 * lost)} % of the time was lost"));
        lines.Add(Row("kill -9 of a worker to next step", AfterKilledWorker is { } t
            ? $"median {Number(t.Median)} s, 90 % within {Number(t.P90)} s, longest {Number(t.Max)} s ({t.Measured} measured)"
            : "not measured"));
        lines.Add(Row("violations", Violations.Count == 0 ? "none" : $"{Violations.Count}"));
        lines.AddRange(Violations.Select(v => $"  {v}"));
        lines.Add(Row("the same faults again", Repeat));
        return string.Join('\n', lines);
    }

    public static string Describe(ChaosFault kind) => kind switch
    {
        ChaosFault.KillWorker => "kill -9 of a worker",
        ChaosFault.StopWorker => "a worker stopped and continued",
        ChaosFault.CloseStream => "a stream between workers closed",
        ChaosFault.FlipFrame => "a bit flipped between workers",
        ChaosFault.FlipWeight => "a bit flipped in a worker's weights",
        ChaosFault.Pause => "pause and resume",
        ChaosFault.DrainWorker => "a worker drained and given work again",
        ChaosFault.KillNode => "kill -9 of a node",
        ChaosFault.RestartNode => "SIGTERM to a node",
        ChaosFault.AddNode => "a node added, and gone again by SIGTERM",
        ChaosFault.KillCoordinator => "kill -9 of the coordinator's node",
        ChaosFault.RestartCoordinator => "SIGTERM to the coordinator's node",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    private static string Row(string name, string value) => $"{name,-34}{value}";

    private static string Number(double value) => value.ToString("0.0#", CultureInfo.InvariantCulture);
}
