using ClipMoe.Actors.Evaluation;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Reports;
using ClipMoe.Actors.Stages;
using ClipMoe.Model.Parameters;

namespace ClipMoe.Actors.Tests.Evaluation;

public sealed class EvaluationWorkTests : IDisposable
{
    private readonly RunFolder _folder = new(Directory.CreateTempSubdirectory("clipmoe-test-").FullName);

    public void Dispose() => Directory.Delete(_folder.Root, recursive: true);

    [Theory]
    [InlineData(0f, false)]
    [InlineData(float.NaN, true)]
    [InlineData(float.PositiveInfinity, true)]
    public void A_model_that_has_diverged_finds_nothing_and_is_called_so(float bias, bool diverged)
    {
        using var workspace = new Workspace("small", TestExperiments.Small, "hash", _folder, new WorkerDevice("cpu", 1));
        workspace.Prepare((_, _) => { }, CancellationToken.None);
        using var replica = workspace.Models.Create(workspace.ScratchConfig, TrainableParameters.None);
        replica.Write("ln_final.bias", [bias]);
        var file = RunFolder.ModelFile("direct");
        var model = new WrittenFile(file, workspace.Models.Save(file, replica, workspace.Provenance("direct", step: null)));

        var measured = EvaluationWork.Evaluate(workspace, new EvaluateModel("evaluate", "direct", model, WithExamples: true), worker: 1,
            CancellationToken.None);
        var figures = ReportJson.LoadFigures(_folder.Absolute(measured.Figures.Path));
        Assert.Equal(diverged, figures.Retrieval.Protocol.Contains("diverged"));
        Assert.Equal(diverged, figures.Probes.Count == 0);
        if (diverged) Assert.Equal(0, figures.Retrieval.MeanR1);
    }
}
