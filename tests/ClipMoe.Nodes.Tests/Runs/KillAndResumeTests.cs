using Xunit.Abstractions;

namespace ClipMoe.Nodes.Tests.Runs;

/// <summary>Whatever ends a run, the run that continues from its journal ends in the same bytes.</summary>
[Trait("Category", "Pipeline")]
public sealed class KillAndResumeTests(UndisturbedRun undisturbed, ITestOutputHelper output) : IClassFixture<UndisturbedRun>
{
    [Fact]
    public async Task Killed_in_every_stage_it_ends_in_the_same_weights_with_each_sample_once_per_epoch()
    {
        using var folder = new TemporaryFolder();
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var (random, killed, next) = (new Random(seed), new List<string>(), 0);
        while (next < undisturbed.Stages.Count)
        {
            // In the first half of the stage, so that it is seldom over before the kill arrives.
            if (await KilledFrom(next, random.Next(1 + undisturbed.Stages[next].Events / 2), folder.Path) is not { } stage) break;
            killed.Add(undisturbed.Stages[stage].Stage);
            next = stage + 1;
        }
        output.WriteLine($"killed in {string.Join(", ", killed)}");
        Assert.True(killed.Count >= 8, $"only killed in {string.Join(", ", killed)}");

        var report = await TinyRun.Report(folder.Path);
        Assert.Equal(undisturbed.WeightsSha256, report.GetProperty("weights_sha256").GetString());
        Ledger.AssertEachSampleOncePerEpoch(folder.Path);
    }

    [Fact]
    public async Task Interrupted_it_writes_a_checkpoint_says_how_to_resume_and_exits_with_130()
    {
        using var folder = new TemporaryFolder();
        using (var process = ClipMoeProcess.Start(TinyRun.Arguments(folder.Path)))
        {
            var interrupted = false;
            var checkpoints = new List<int>();
            await foreach (var e in process.Events())
            {
                if (e.TryGetProperty("stage", out var stage) && stage.GetString() == "base")
                {
                    if (e.GetProperty("event").GetString() == "checkpoint_saved") checkpoints.Add(e.GetProperty("step").GetInt32());
                    if (!interrupted && e.GetProperty("event").GetString() == "stage_progress" && e.GetProperty("done").GetInt32() > 3)
                    {
                        process.Interrupt();
                        interrupted = true;
                    }
                }
            }
            Assert.Equal(130, await process.ExitCode());
            Assert.NotEmpty(checkpoints);
        }
        var report = await TinyRun.Report(folder.Path);
        Assert.Equal(undisturbed.WeightsSha256, report.GetProperty("weights_sha256").GetString());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Any_number_of_workers_gives_the_same_weights(int workers)
    {
        using var folder = new TemporaryFolder();
        var report = await TinyRun.Report(folder.Path, workers);
        Assert.Equal(undisturbed.WeightsSha256, report.GetProperty("weights_sha256").GetString());
    }

    /// <summary>
    /// Goes on with the run until so many events of a stage were seen, or its last one where an earlier process did a part of it; then
    /// kill -9. On a busy machine the stage may have been over before the last kill arrived: then in the stage that is met first.
    /// </summary>
    /// <returns>Index of the stage; null when the run was over before.</returns>
    private async Task<int?> KilledFrom(int stage, int after, string folder)
    {
        var indices = undisturbed.Stages.Select((s, i) => (s.Stage, i)).ToDictionary();
        using var process = ClipMoeProcess.Start(TinyRun.Arguments(folder));
        await foreach (var e in process.Events())
        {
            if (!e.TryGetProperty("stage", out var of) || indices[of.GetString()!] is var met && met < stage) continue;
            if (met == stage && after-- > 0 && e.GetProperty("event").GetString() != "stage_finished") continue;
            process.Kill();
            return await process.ExitCode() == 128 + 9 ? met : null;
        }
        return null;
    }
}
