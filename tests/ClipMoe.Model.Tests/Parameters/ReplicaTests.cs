using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Optimization;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.Tests.Checkpoints;
using ClipMoe.Model.Tests.Clip;
using ClipMoe.Model.Tests.Training;
using ClipMoe.Model.Training;

namespace ClipMoe.Model.Tests.Parameters;

[Collection(TorchCollection.Name)]
public sealed class ReplicaTests
{
    [Fact]
    public void Slots_are_aligned_disjoint_and_the_trainable_ones_come_first()
    {
        var layout = ParameterLayout.Create(Models.SmallMoe, TrainableParameters.ExpertsAndRouters);
        var end = 0L;
        foreach (var slot in layout.Slots.OrderBy(s => s.Offset))
        {
            Assert.True(slot.Offset >= end);
            Assert.Equal(0, slot.Offset % ParameterLayout.Alignment);
            Assert.Equal(slot.Trainable, slot.Offset < layout.TrainableLength);
            end = slot.Offset + slot.Count;
        }

        Assert.True(end <= layout.Length);
    }

    [Fact]
    public void Initial_values_depend_on_seed_and_name_alone()
    {
        using var dense = Models.Seeded(Models.Small, TrainableParameters.All, seed: 5);
        using var moe = Models.Seeded(Models.SmallMoe, TrainableParameters.RouterOnly, seed: 5);
        using var other = Models.Seeded(Models.Small, TrainableParameters.All, seed: 6);
        const string name = "transformer.resblocks.1.attn.in_proj_weight";

        Assert.Equal(Models.Read(dense, name), Models.Read(moe, name));
        Assert.NotEqual(Models.Read(dense, name), Models.Read(other, name));
        Assert.NotEqual(Models.Read(dense, name), Models.Read(dense, "transformer.resblocks.2.attn.in_proj_weight"));
    }

    [Fact]
    public void Initial_values_have_the_spread_of_the_references()
    {
        using var replica = Models.Seeded(ClipConfig.Named("scenes"), TrainableParameters.None);
        Deviation("token_embedding.weight", 0.02);
        Deviation("positional_embedding", 0.01);
        Deviation("transformer.resblocks.0.attn.in_proj_weight", 1 / Math.Sqrt(32));
        Deviation("transformer.resblocks.0.mlp.c_proj.weight", 1 / Math.Sqrt(32 * 8));
        Deviation("visual.conv1.weight", 1 / Math.Sqrt(3 * 64) / Math.Sqrt(3));
        Assert.All(Models.Read(replica, "visual.ln_pre.weight"), v => Assert.Equal(1, v));
        Assert.All(Models.Read(replica, "ln_final.bias"), v => Assert.Equal(0, v));
        Close.Within(1e-6, Math.Log(1 / 0.07), replica.ReadNumber(ParameterNames.LogitScale), "logit_scale");

        void Deviation(string name, double expected)
        {
            var values = Models.Read(replica, name);
            Close.Within(0.06 * expected, expected, Math.Sqrt(values.Average(v => (double)v * v)), name);
        }
    }

    [Fact]
    public void State_sent_in_chunks_gives_an_equal_replica_that_trains_on_equally()
    {
        using var source = Models.Seeded(Models.Small, TrainableParameters.FfnOnly(1));
        Step(source, 0);
        using var copy = Models.New(Models.Small, TrainableParameters.FfnOnly(1), Precision.Fp32);
        var chunk = new float[1000];
        for (var at = 0L; at < source.StateLength; at += chunk.Length)
        {
            var part = chunk.AsSpan(0, (int)Math.Min(chunk.Length, source.StateLength - at));
            source.ReadState(at, part);
            copy.WriteState(at, part, source.Updates);
        }

        Assert.Equal(source.Hash(), copy.Hash());
        Step(source, 1);
        Assert.NotEqual(source.Hash(), copy.Hash());
        Step(copy, 1);
        Assert.Equal(source.Hash(), copy.Hash());
    }

    [Fact]
    public void Weights_and_moments_come_back_from_files()
    {
        using var folder = new TemporaryFolder();
        using var source = Models.Seeded(Models.SmallMoe, TrainableParameters.RouterOnly);
        Step(source, 0);
        var (weights, moments) = (Path.Combine(folder.Path, "model.safetensors"), Path.Combine(folder.Path, "optimizer.safetensors"));
        using (var writer = TensorFile.Create(weights, ReplicaFiles.Weights(source.Layout), CheckpointMetadata.Create(Models.SmallMoe)))
        {
            ReplicaFiles.WriteWeights(writer, source);
            writer.Commit();
        }

        using (var writer = TensorFile.Create(moments, ReplicaFiles.Moments(source.Layout)))
        {
            ReplicaFiles.WriteMoments(writer, source, () =>
            {
                // A kill here leaves this much, and not under the file's name.
                var temporary = Assert.Single(Directory.GetFiles(folder.Path, "optimizer.*"));
                Assert.NotEqual(moments, temporary);
                Assert.InRange(new FileInfo(temporary).Length, 4 * source.Layout.TrainableLength, 8 * source.Layout.TrainableLength - 1);
            });
            writer.Commit();
        }

        using var copy = Models.New(Models.SmallMoe, TrainableParameters.RouterOnly);
        using var weightsFile = TensorFile.Open(weights);
        using var momentsFile = TensorFile.Open(moments);
        copy.Load(new CheckpointSource(weightsFile, CheckpointConfig.Infer(weightsFile)));
        ReplicaFiles.ReadMoments(momentsFile, copy, source.Updates);

        Assert.Equal(source.Hash(), copy.Hash());
        Assert.Throws<UserErrorException>(() => new CheckpointSource(weightsFile, Models.Small with { EmbedDim = 8 }));
    }

    [Fact]
    public void A_learned_temperature_never_exceeds_a_hundred()
    {
        using var replica = Models.Seeded(Models.Small, TrainableParameters.All with { LearnLogits = true });
        replica.Write(ParameterNames.LogitScale, [4.6f]);
        var gradient = new float[replica.Layout.TrainableLength];
        gradient[replica.Layout[ParameterNames.LogitScale].Offset] = -1;
        replica.Apply(gradient, 0.1, new AdamWSettings(0));
        Close.Within(1e-6, ParameterNames.MaxLogitScale, replica.ReadNumber(ParameterNames.LogitScale), "logit_scale");
    }

    [Theory]
    [InlineData("except-ffn", "transformer.resblocks.1.mlp.c_fc.bias", true)]
    [InlineData("except-ffn", "visual.transformer.resblocks.0.mlp.c_fc.bias", false)]
    [InlineData("except-ffn", "visual.transformer.resblocks.1.mlp.c_proj.weight", true)]
    [InlineData("except-ffn", "visual.transformer.resblocks.1.ln_2.weight", false)]
    [InlineData("except-router", "transformer.resblocks.1.gate.weight", true)]
    [InlineData("except-router", "transformer.resblocks.1.experts.0.c_fc.weight", false)]
    [InlineData("text", "token_embedding.weight", false)]
    [InlineData("text", "text_projection", false)]
    [InlineData("text", "visual.proj", true)]
    [InlineData("none", "token_embedding.weight", true)]
    [InlineData("none", "logit_scale", false)]
    public void Lockings_train_what_their_names_say(string locking, string name, bool trains)
    {
        var rule = locking switch
        {
            "except-ffn" => TrainableParameters.FfnOnly(1),
            "except-router" => TrainableParameters.RouterOnly,
            "text" => TrainableParameters.AllButText,
            _ => TrainableParameters.All,
        };
        Assert.Equal(trains, rule.Trains(name));
    }

    private static void Step(Replica replica, int step)
    {
        var shards = Samples.Leaves(replica.Layout.Config, 4, 2, step);
        var (gradient, _) = LocalWorld.Step(replica, new StepSettings { Leaves = 2 }, step, shards);
        replica.Apply(gradient, 1e-2, new AdamWSettings(0.1));
    }
}
