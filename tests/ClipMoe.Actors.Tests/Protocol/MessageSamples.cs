using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clustering;

namespace ClipMoe.Actors.Tests.Protocol;

/// <summary>Instances of messages, facts and what they consist of.</summary>
internal static class MessageSamples
{
    public static IEnumerable<object> All(Type type) => SampleInstances.All(type, Special);

    public static object Of(Type type, bool full) => new SampleInstances(full, special: Special).Of(type);

    private static object? Special(SampleInstances samples, Type type)
    {
        if (type == typeof(Centroids)) return new Centroids([1.5f, float.NegativeInfinity, float.Epsilon, 0.1f], dimension: 2);
        if (type == typeof(SampleOrder)) return samples.Choose([new GlobalOrder(), new ClusterPureOrder("cluster-1")]);
        if (type == typeof(ClipConfig)) return ClipConfig.Named("tiny") with { Moe = samples.IsFull ? new MoeConfig(4, 2, 1) : null };
        return null;
    }
}
