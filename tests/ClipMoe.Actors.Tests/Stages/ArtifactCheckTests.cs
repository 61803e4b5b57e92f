using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Stages;

namespace ClipMoe.Actors.Tests.Stages;

public sealed class ArtifactCheckTests
{
    private static readonly ExperimentState State = ((ExperimentEvent[])
    [
        new StepsCheckpointed("mcl-1", 0, 10, Hash('1'), 1, []),
        new StepsCheckpointed("mcl-1", 10, 20, Hash('2'), 1, []),
        new ShardExtracted("extract-1", 0, RunFolder.ShardFile("extract-1", 0), "s0"),
        new ShardExtracted("extract-2", 0, RunFolder.ShardFile("extract-2", 0), "t0"),
        new StageCompleted("base", new StageResult(RunFolder.ModelFile("base"), "b", 1)),
        new StageCompleted("extract-1", new StageResult(null, null, 1)),
        new StageCompleted("cluster-1", new StageResult(RunFolder.LabelsFile("cluster-1"), "l", 1)),
    ]).Aggregate(ExperimentState.Empty, (s, e) => s.Apply(e));

    private static string Hash(char digit) => new(digit, 64);

    private static IReadOnlyList<ExperimentEvent> Damages(string path, string sha256) =>
        ArtifactCheck.Damages(State, new WrittenFile(path, sha256), "why");

    [Fact]
    public void A_lost_checkpoint_leaves_the_ledger() =>
        Assert.Equal([new CheckpointDamaged("mcl-1", 20, "why")], ArtifactCheck.Damages(State, RunFiles.Manifest("mcl-1", 20, Hash('2')),
            "why"));

    [Fact]
    public void A_lost_shard_is_extracted_again_and_its_stage_taken_up()
    {
        Assert.Equal([new ShardDamaged("extract-1", 0), new StageDamaged("extract-1")], Damages(RunFolder.ShardFile("extract-1", 0), "s0"));
        Assert.Equal([new ShardDamaged("extract-2", 0)], Damages(RunFolder.ShardFile("extract-2", 0), "t0"));
    }

    [Fact]
    public void A_lost_result_is_made_again_and_so_are_labels_with_a_lost_shard()
    {
        Assert.Equal([new StageDamaged("base")], Damages(RunFolder.ModelFile("base"), "b"));
        Assert.Equal([new StageDamaged("cluster-1")], Damages(Path.Combine("stages", "cluster-1", "labels-000007.bin"), "x"));
    }

    [Fact]
    public void A_file_that_no_fact_rests_on_damages_nothing() =>
    Assert.Empty(Damages(Path.Combine("stages", "routers", "model.safetensors"), "r"));
}
