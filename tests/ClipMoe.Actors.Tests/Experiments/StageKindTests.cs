using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Tests.Experiments;

public sealed class StageKindTests
{
    private static readonly StageSpec[] All =
    [
        new PrepareData("data"), new LoadModel("base", "/model"), Training, new ExtractFeatures("extract-1", "base"),
        new ClusterFeatures("cluster-1", "extract-1", null), new AssembleMoe("assemble", ["base"], 4),
        new EvaluateModels("evaluate", ["base"]),
    ];

    public static TheoryData<StageSpec> Specs => new(All);

    private static TrainModel Training => StagePlan.For(TestExperiments.Small).Stages.OfType<TrainModel>().First();

    /// <summary>Names stand in journals, reports and messages.</summary>
    [Theory]
    [MemberData(nameof(Specs))]
    public void Each_kind_of_stage_is_known_by_its_name(StageSpec spec) => Assert.Same(spec.Descriptor, StageKind.Named(spec.Kind));

    [Fact]
    public void Every_kind_of_stage_is_tested_above_and_its_name_is_its_own()
    {
        var specs = typeof(StageSpec).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(StageSpec)));
        Assert.Equal(specs.Select(t => t.Name).Order(), All.Select(s => s.GetType().Name).Order());
        Assert.Equal(["assemble", "cluster", "data", "evaluate", "extract", "load", "train"], StageKind.All.Select(k => k.Name).Order());
    }

    [Fact]
    public void A_kind_that_this_version_does_not_know_has_its_name_alone() =>
        Assert.Equal(new StageKind("distill", ""), StageKind.Named("distill"));
}
