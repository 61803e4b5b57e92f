using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.TensorFiles.Safetensors;
using ClipMoe.Model.Tests.Clip;

namespace ClipMoe.Model.Tests.Architecture;

/// <summary>What a loss adds to a model, and how files tell.</summary>
[Collection(TorchCollection.Name)]
public sealed class LossKindTests : IDisposable
{
    private static readonly ClipConfig Sigmoid = Models.Small with { Loss = LossKind.Sigmoid };

    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Only_a_sigmoid_loss_has_a_bias_and_both_of_its_numbers_start_as_in_the_paper()
    {
        using var replica = Models.Seeded(Sigmoid, TrainableParameters.All);
        Assert.Equal((float)Math.Log(10), (float)replica.ReadNumber("logit_scale"));
        Assert.Equal(-10, replica.ReadNumber("logit_bias"));

        var (with, without) = (ParameterNames.ForConfig(Sigmoid), ParameterNames.ForConfig(Models.Small));
        Assert.Equal(without.Select(s => s.Name), with.Select(s => s.Name).Where(n => n != "logit_bias"));
        Assert.DoesNotContain("logit_bias", without.Select(s => s.Name));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_checkpoint_carries_the_bias_and_tells_its_loss_with_or_without_metadata(bool withMetadata)
    {
        using var replica = Models.Seeded(Sigmoid, TrainableParameters.All);
        replica.Write("logit_bias", [-7.5f]);
        using var file = Written(replica, withMetadata);
        Assert.Equal((LossKind.Sigmoid, -7.5f), (CheckpointConfig.Infer(file).Loss, file.ReadFloats("logit_bias")[0]));

        using var copy = Models.New(Sigmoid, TrainableParameters.All);
        copy.Load(new CheckpointSource(file, Sigmoid));
        Assert.Equal(replica.Hash(), copy.Hash());
    }

    [Fact]
    public void A_file_of_InfoNce_says_nothing_of_its_loss()
    {
        using var replica = Models.Seeded(Models.Small, TrainableParameters.All);
        using var file = Written(replica, withMetadata: true);
        Assert.Equal(LossKind.InfoNce, CheckpointConfig.Infer(file).Loss);
        Assert.DoesNotContain("loss", file.Metadata["config"]);
    }

    [Theory]
    [InlineData(LossKind.Sigmoid, LossKind.Sigmoid, "")]
    [InlineData(LossKind.Sigmoid, LossKind.InfoNce, "logit_scale 2.302585, logit_bias -10")]
    [InlineData(LossKind.InfoNce, LossKind.InfoNce, "logit_scale 4.60517")]
    [InlineData(LossKind.InfoNce, LossKind.Sigmoid, "logit_scale 4.60517")]
    public void Training_of_a_checkpoint_keeps_its_numbers_only_where_they_fit_the_loss(LossKind wanted, LossKind found, string replaced)
    {
        var numbers = wanted.Replaced(found).Select(p => FormattableString.Invariant($"{p.Key} {Math.Round(p.Value, 6)}"));
        Assert.Equal(replaced, string.Join(", ", numbers));
    }

    private SafetensorsFile Written(Replica replica, bool withMetadata)
    {
        var path = Path.Combine(_folder, "model.safetensors");
        var metadata = withMetadata
            ? CheckpointMetadata.Create(replica.Layout.Config)
            : CheckpointMetadata.WithDataHash(new Dictionary<string, string>());
        using (var writer = TensorFile.Create(path, ReplicaFiles.Weights(replica.Layout), metadata))
        {
            ReplicaFiles.WriteWeights(writer, replica);
            writer.Commit();
        }

        return SafetensorsFile.OpenIntact(path);
    }
}
