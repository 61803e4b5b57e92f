using System.Text.Json;
using ClipMoe.Actors.Experiments;

namespace ClipMoe.Nodes.Tests.Runs;

/// <summary>What lies in the output folder changes between a crash and the resume.</summary>
[Trait("Category", "Pipeline")]
public sealed class DamageTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    [Fact]
    public async Task A_flipped_byte_in_the_newest_checkpoint_is_named_and_the_one_before_it_used()
    {
        using var folder = new TemporaryFolder();
        await KilledAfter(folder.Path, checkpointStep: 40);
        var newest = Ledger.LastCheckpoint(folder.Path);
        FlipByte(Directory.GetFiles(Path.Combine(folder.Path, "stages", newest.Stage), $"{newest.ToStep:D8}-model-*.safetensors").Single());

        var (exitCode, output, errors) = await ClipMoeProcess.Run(TinyRun.Arguments(folder.Path));
        Assert.True(exitCode == 0, errors);
        Assert.All(output, line => JsonDocument.Parse(line));
        Assert.Contains(output, line => line.Contains("run_warning") && line.Contains($"{newest.Stage} after step {newest.ToStep}"));
        Assert.Contains(output, line => line.Contains("run_ended") && line.Contains(undisturbed.WeightsSha256));
        Ledger.AssertEachSampleOncePerEpoch(folder.Path);
    }

    [Fact]
    public async Task A_flipped_byte_in_a_label_shard_is_named_and_its_stage_made_again()
    {
        using var folder = new TemporaryFolder();
        await KilledAfter(folder.Path, checkpointStep: 10, stage: "mcl-1");
        FlipByte(Path.Combine(folder.Path, "stages", "cluster-1", "labels-000000.safetensors"));

        var (exitCode, output, errors) = await ClipMoeProcess.Run(TinyRun.Arguments(folder.Path));
        Assert.True(exitCode == 0, errors);
        Assert.Contains(output, line => line.Contains("run_warning") && line.Contains("stage cluster-1 is missing or damaged"));
        Assert.Contains(output, line => line.Contains("run_ended") && line.Contains(undisturbed.WeightsSha256));
        Ledger.AssertEachSampleOncePerEpoch(folder.Path);
    }

    [Fact]
    public async Task A_data_set_that_changed_is_refused_and_nothing_is_lost()
    {
        using var folder = new TemporaryFolder();
        await KilledAfter(folder.Path, checkpointStep: 20);
        var picture = Directory.GetFiles(Path.Combine(folder.Path, "data", "train"), "*.png").Order().First();
        File.Move(picture, picture + ".away");

        var (exitCode, _, errors) = await ClipMoeProcess.Run(TinyRun.Arguments(folder.Path));
        Assert.Equal(2, exitCode);
        Assert.Contains("changed since this run began", errors);

        File.Move(picture + ".away", picture);
        var report = await TinyRun.Report(folder.Path);
        Assert.Equal(undisturbed.WeightsSha256, report.GetProperty("weights_sha256").GetString());
    }

    [Fact]
    public async Task A_journal_that_is_no_database_is_refused_with_a_sentence()
    {
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "journal.db"),
            "this is not a database, and much longer than its header would be");
        var (exitCode, _, errors) = await ClipMoeProcess.Run(TinyRun.Arguments(folder.Path));
        Assert.Equal(1, exitCode);
        Assert.Contains("journal.db can't be read", errors);
    }

    private static async Task KilledAfter(string folder, int checkpointStep, string stage = "base")
    {
        using var process = ClipMoeProcess.Start(TinyRun.Arguments(folder));
        await foreach (var e in process.Events())
        {
            if (e.GetProperty("event").GetString() == "checkpoint_saved"
                && e.GetProperty("stage").GetString() == stage && e.GetProperty("step").GetInt32() == checkpointStep) break;
        }
        process.Kill();
        await process.ExitCode();
    }

    private static void FlipByte(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite);
        file.Position = file.Length / 2;
        var value = file.ReadByte();
        file.Position--;
        file.WriteByte((byte)(value ^ 1));
    }
}
