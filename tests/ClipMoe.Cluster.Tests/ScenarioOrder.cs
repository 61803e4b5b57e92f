using Xunit.Abstractions;

// Much of a scenario is waiting, for a failure to be noticed or a process to start: two side by side keep two cores busy.
[assembly: CollectionBehavior(MaxParallelThreads = 2)]
[assembly: TestCollectionOrderer("ClipMoe.Cluster.Tests.ScenarioOrder", "ClipMoe.Cluster.Tests")]

namespace ClipMoe.Cluster.Tests;

/// <summary>By name: the longest scenario, chaos, is not the last to begin, and one run is as the other.</summary>
public sealed class ScenarioOrder : ITestCollectionOrderer
{
    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) =>
        testCollections.OrderBy(c => c.DisplayName, StringComparer.Ordinal);
}
