using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Tests.Experiments;

public sealed class StagePlanTests
{
    private static readonly Experiment Demo = TestExperiments.Small;

    [Fact]
    public void Each_mcl_stage_extracts_with_the_last_model_but_trains_from_the_base()
    {
        var plan = StagePlan.For(Demo);
        Assert.Equal(StagePlan.Base, ((ExtractFeatures)plan["extract-1"]).Model);
        Assert.Equal("mcl-1", ((ExtractFeatures)plan["extract-2"]).Model);
        Assert.Equal("cluster-1", ((ClusterFeatures)plan["cluster-2"]).PreviousLabels);
        Assert.All(plan.Stages.OfType<TrainModel>().Where(s => s.Name.StartsWith("mcl-")), s =>
        {
            Assert.Equal(StagePlan.Base, s.From);
            Assert.Equal(TrainedPart.Ffns, s.Trains);
            Assert.IsType<ClusterPureOrder>(s.Order);
        });
    }

    [Fact]
    public void Experts_are_the_base_and_every_mcl_stage()
    {
        var plan = StagePlan.For(Demo);
        Assert.Equal(["base", "mcl-1", "mcl-2"], ((AssembleMoe)plan[StagePlan.Assemble]).Models);
    }

    [Theory]
    [InlineData(RouterTraining.Routers, TrainedPart.Routers)]
    [InlineData(RouterTraining.Experts, TrainedPart.ExpertsAndRouters)]
    public void Router_tuning_trains_the_experts_too_where_asked(RouterTraining asked, TrainedPart trained)
    {
        var plan = StagePlan.For(Demo with { Router = Demo.Router with { Trains = asked } });
        Assert.Equal(trained, ((TrainModel)plan[StagePlan.Routers]).Trains);
    }

    [Fact]
    public void Stages_only_read_what_earlier_stages_made()
    {
        var plan = StagePlan.For(Demo);
        var seen = new HashSet<string>();
        foreach (var stage in plan.Stages)
        {
            Assert.All(stage.Reads, r => Assert.Contains(r, seen));
            Assert.True(seen.Add(stage.Name), $"{stage.Name} occurs twice");
        }
    }

    [Fact]
    public void Comparisons_train_for_as_many_steps_as_the_moe_in_total()
    {
        var plan = StagePlan.For(Demo);
        var moe = plan.Stages.OfType<TrainModel>().Where(s => s.Name.StartsWith("mcl-") || s.Name == StagePlan.Routers)
            .Sum(s => s.Duration.Steps);
        Assert.All(Demo.Evaluation.Compare, c => Assert.Equal(moe, ((TrainModel)plan[StagePlan.Name(c)]).Duration.Steps));
    }

    [Fact]
    public void A_given_checkpoint_replaces_training_from_scratch()
    {
        var plan = StagePlan.For(Demo with { Model = Demo.Model with { Checkpoint = "ViT-B-32.pt" } });
        Assert.Equal("ViT-B-32.pt", Assert.IsType<LoadModel>(plan[StagePlan.Base]).Path);
    }

    [Fact]
    public void An_upcycled_moe_trains_for_the_same_total_steps_and_only_hard_batch_needs_clusters()
    {
        var plan = StagePlan.For(Demo with { Moe = Demo.Moe with { Init = MoeInit.Upcycle } });
        Assert.Equal(["data", "base", "extract-1", "cluster-1", "assemble", "routers", "direct", "hard_batch", "upcycle-assemble",
            "upcycle", "evaluate"],
            plan.Stages.Select(s => s.Name));
        var routers = (TrainModel)plan[StagePlan.Routers];
        Assert.Equal(TrainedPart.ExpertsAndRouters, routers.Trains);
        Assert.All(Demo.Evaluation.Compare, c => Assert.Equal(routers.Duration, ((TrainModel)plan[StagePlan.Name(c)]).Duration));
    }

    [Fact]
    public void The_training_of_a_model_is_that_of_all_it_was_made_of()
    {
        var plan = StagePlan.For(Demo);
        Assert.Equal(["mcl-1", "mcl-2", "routers"], plan.TrainingOf(StagePlan.Routers));
        Assert.Equal(["hard_batch"], plan.TrainingOf("hard_batch"));
        Assert.Equal(["upcycle"], plan.TrainingOf("upcycle"));
        Assert.Empty(plan.TrainingOf(StagePlan.Base));
        var upcycled = StagePlan.For(Demo with { Moe = Demo.Moe with { Init = MoeInit.Upcycle } });
        Assert.Equal(["routers"], upcycled.TrainingOf(StagePlan.Routers));
    }

    [Theory]
    [InlineData("evaluate", "")]
    [InlineData("routers", "evaluate")]
    [InlineData("cluster-2", "mcl-2 assemble routers evaluate")]
    [InlineData("cluster-1", "mcl-1 extract-2 cluster-2 mcl-2 assemble routers hard_batch evaluate")]
    public void What_is_built_on_a_stage_is_all_that_reads_of_it_through_others_too(string stage, string built) =>
        Assert.Equal(built, string.Join(' ', StagePlan.For(Demo).BuiltOn(stage)));

    [Fact]
    public void Upcycling_alone_needs_no_clusters()
    {
        var plan = StagePlan.For(Demo with { Moe = Demo.Moe with { Init = MoeInit.Upcycle }, Evaluation = new EvaluationSettings() });
        Assert.DoesNotContain(plan.Stages, s => s is ExtractFeatures or ClusterFeatures);
        Assert.Equal(["base"], ((AssembleMoe)plan[StagePlan.Assemble]).Models);
    }
}
