using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Actors.Upcycling;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Actors.Tests.Upcycling;

public sealed class ModelWorkTests : IDisposable
{
    private readonly RunFolder _folder = new(Directory.CreateTempSubdirectory("clipmoe-test-").FullName);

    public void Dispose() => Directory.Delete(_folder.Root, recursive: true);

    [Theory]
    [InlineData(LossKind.InfoNce, LossKind.InfoNce, 4.60517f, null)]
    [InlineData(LossKind.InfoNce, LossKind.Sigmoid, 2.3025851f, -10f)]
    [InlineData(LossKind.Sigmoid, LossKind.Sigmoid, 0.5f, 0.25f)]
    [InlineData(LossKind.Sigmoid, LossKind.InfoNce, 4.60517f, null)]
    public void A_checkpoint_of_either_loss_is_taken_over_for_training_with_either(
        LossKind found, LossKind wanted, float scale, float? bias)
    {
        using var source = Workspace(found);
        using var replica = source.Models.Create(source.ScratchConfig, TrainableParameters.None);
        foreach (var parameter in found.LogitParameters()) replica.Write(parameter.Name, [parameter.Name == "logit_bias" ? 0.25f : 0.5f]);
        const string checkpoint = "checkpoint.safetensors";
        source.Models.Save(checkpoint, replica, source.Provenance("base", step: null));

        using var workspace = Workspace(wanted);
        var built = ModelWork.Import(workspace, new ImportModel(new LoadModel("base", _folder.Absolute(checkpoint))));

        using var model = TensorFile.Open(_folder.Absolute(built.File.Path));
        Assert.Equal(scale, model.ReadFloats("logit_scale")[0]);
        Assert.Equal(bias, model.TryGet("logit_bias", out _) ? model.ReadFloats("logit_bias")[0] : null);
        Assert.Equal(wanted, CheckpointConfig.Infer(model).Loss);
        using var towers = workspace.Models.Load(model, TrainableParameters.None);
        var (before, after) = (new float[1], new float[1]);
        replica.Read("visual.proj", before, 7);
        towers.Read("visual.proj", after, 7);
        Assert.Equal(before, after);
    }

    private Workspace Workspace(LossKind loss)
    {
        var experiment = TestExperiments.Small with { Training = new TrainingSettings { Loss = loss } };
        var workspace = new Workspace("small", experiment, "hash", _folder, new WorkerDevice("cpu", 1));
        workspace.Prepare((_, _) => { }, CancellationToken.None);
        return workspace;
    }
}
