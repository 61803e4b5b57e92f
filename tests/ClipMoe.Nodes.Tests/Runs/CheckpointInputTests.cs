using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Model;
using ClipMoe.Model.Files;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Tests.Runs;

/// <summary>Runs that start from a checkpoint: here the base of another run.</summary>
[Trait("Category", "Pipeline")]
public sealed class CheckpointInputTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Checkpoint => Path.Combine(_folder.Path, "base.safetensors");

    private string[] Settings()
    {
        File.Copy(Path.Combine(undisturbed.Folder, "stages", "base", "model.safetensors"), Checkpoint);
        return ["preset=tiny", $"model.checkpoint={Checkpoint}",
            $"data.vocabulary={Path.Combine(undisturbed.Folder, "vocabulary.txt.gz")}"];
    }

    [Fact]
    public async Task A_checkpoint_that_was_taken_over_is_not_needed_any_more()
    {
        string[] arguments =
        [
            "run", .. Settings().SelectMany(s => (string[])["--set", s]), "--out", Path.Combine(_folder.Path, "run"), "--workers", "2",
            "--threads", "1", "--resume", "--json",
        ];
        using (var process = ClipMoeProcess.Start(arguments))
        {
            await foreach (var e in process.Events())
                if (e.GetProperty("event").GetString() == "checkpoint_saved") break;
            process.Kill();
            await process.ExitCode();
        }
        File.Delete(Checkpoint);
        var (exitCode, output, errors) = await ClipMoeProcess.Run(arguments);
        Assert.True(exitCode == 0, errors);
        Assert.Contains(output, line => line.Contains("run_ended"));
    }

    [Fact]
    public void A_checkpoint_that_changed_before_it_was_taken_over_is_refused()
    {
        var experiment = ExperimentFile.Parse(null, "the settings", _folder.Path, Settings());
        var hash = ExperimentHash.Compute(experiment, InputFiles.Hashes(experiment));
        using var workspace = new Workspace("experiment", experiment, hash, new RunFolder(_folder.Path), new WorkerDevice("cpu", 1));
        var data = workspace.Prepare((_, _) => { }, CancellationToken.None);
        Assert.Equal(FileHash.Sha256OrNull(Checkpoint), data.CheckpointSha256);
        workspace.OpenCheckpoint(Checkpoint).Dispose();

        File.AppendAllText(Checkpoint, "x");
        Assert.Contains("changed since this run began",
            Assert.Throws<UserErrorException>(() => workspace.OpenCheckpoint(Checkpoint)).Message);
        Assert.NotEqual(hash, ExperimentHash.Compute(experiment, InputFiles.Hashes(experiment)));
        // Where the run was begun, it is what it was: the run itself refuses it, with the sentence above.
        Assert.Equal(hash, ExperimentHash.Compute(experiment, InputFiles.Hashes(experiment, experiment, data)));
        File.Delete(Checkpoint);
        Assert.Contains("is missing", Assert.Throws<UserErrorException>(() => workspace.OpenCheckpoint(Checkpoint)).Message);
    }
}
