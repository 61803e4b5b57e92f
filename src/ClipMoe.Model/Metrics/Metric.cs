using System.Text.Json.Serialization;

namespace ClipMoe.Model.Metrics;

/// <summary>How what several measured becomes one value of a step, and how the values of several steps become one.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<MetricKind>))]
public enum MetricKind
{
    /// <summary>Micro-batches give shares, which are added along the reduction tree. Over steps: their mean.</summary>
    [JsonStringEnumMemberName("sum")] Sum,

    /// <summary>Micro-batches give the length of parts of one vector: the root of the sum of squares. Over steps: their mean.</summary>
    [JsonStringEnumMemberName("norm")] Norm,

    /// <summary>The mean over the workers that give one. Over steps: their mean.</summary>
    [JsonStringEnumMemberName("mean")] Mean,

    /// <summary>The largest of a step. Over steps: their mean, and the largest as the highest.</summary>
    [JsonStringEnumMemberName("max")] Max,

    /// <summary>Counts, one for each bin, which are added, over steps too.</summary>
    [JsonStringEnumMemberName("histogram")] Histogram,
}

/// <summary>
/// A quantity that training measures. It is defined where it is measured; journal, views and report go by this description alone and know
/// no names.
/// </summary>
/// <param name="Name">Words of a path, <c>router/image/layer.3/load</c>.</param>
/// <param name="Unit">Empty for a pure number.</param>
/// <param name="Bins">Of a histogram; otherwise 1.</param>
/// <param name="Exact">Kept as doubles; other metrics are rounded to floats in every bag, so that they may travel as such.</param>
/// <param name="Headline">One of the few that a live view has room for.</param>
public sealed record Metric(
    string Name, MetricKind Kind, string Unit = "", int Bins = 1, bool Exact = false, bool Headline = false);
