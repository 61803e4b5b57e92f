using System.Text.Json;
using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.Chaos;

namespace ClipMoe.Nodes.Tests.Chaos;

public sealed class SoakRecordTests
{
    private readonly SoakRecord _record = new();

    [Fact]
    public void Recovery_lasts_from_the_kill_to_the_first_step_of_the_next_generation()
    {
        Step(10, generation: 1, seconds: 1);
        _record.WorkerKilled(TimeSpan.FromSeconds(1.1), workers: 3);
        // Was on its way already.
        Step(11, generation: 1, seconds: 1.2);
        Step(12, generation: 2, seconds: 2.1);

        var recovery = Summary().AfterKilledWorker!;
        Assert.Equal((1, 1.0), (recovery.Measured, Math.Round(recovery.Max, 6)));
    }

    [Fact]
    public void A_killed_worker_that_did_not_train_with_the_others_tells_nothing()
    {
        Step(10, generation: 1, seconds: 1);
        _record.WorkerKilled(TimeSpan.FromSeconds(1.1), workers: 4);
        _record.WorkerKilled(TimeSpan.FromSeconds(9), workers: 3);
        Step(11, generation: 2, seconds: 10);

        Assert.Null(Summary().AfterKilledWorker);
    }

    [Fact]
    public void Steps_that_are_committed_again_after_a_return_to_a_checkpoint_count_once()
    {
        for (var step = 1; step <= 14; step++) Step(step, generation: 1, seconds: step);
        for (var step = 11; step <= 20; step++) Step(step, generation: 2, seconds: 10 + step);

        var summary = Summary(undisturbed: 2);
        Assert.Equal(20, summary.CommittedSteps);
        Assert.Equal(0.2, summary.StepsPerSecond, 6);
        Assert.Equal(0.9, summary.TimeLost!.Value, 6);
    }

    [Fact]
    public void Quantiles_are_times_that_were_measured() =>
        Assert.Equal(new RecoveryTimes(10, 5, 9, 10), RecoveryTimes.FromSeconds([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]));

    [Fact]
    public void The_summary_names_faults_and_violations_for_people_and_for_programs()
    {
        _record.Fault(ChaosFault.KillWorker);
        _record.Fault(ChaosFault.KillWorker);
        _record.Fault(ChaosFault.Pause);
        _record.Violation("tiny-1 ended in other weights");
        var summary = Summary();

        Assert.Matches(@"kill -9 of a worker +2\n", summary.Text());
        Assert.Contains("tiny-1 ended in other weights", summary.Text());
        Assert.Contains("clipmoe chaos --minutes 3 --seed 7", summary.Text());
        var json = JsonDocument.Parse(summary.Json()).RootElement;
        Assert.Equal(3, json.GetProperty("fault_count").GetInt32());
        Assert.Equal(2, json.GetProperty("faults").GetProperty("kill_worker").GetInt32());
        Assert.Equal("tiny-1 ended in other weights", json.GetProperty("violations")[0].GetString());
    }

    private void Step(int done, int generation, double seconds) => _record.Event(
        "tiny-1", new StageProgress("base", done, 120, 1, 1e-3, 100, Workers: 3) { Generation = generation },
        TimeSpan.FromSeconds(seconds));

    private SoakSummary Summary(double? undisturbed = null) =>
        _record.Summary("clipmoe chaos --minutes 3 --seed 7", seed: 7, minutes: 3, TimeSpan.FromSeconds(100), interrupted: false,
            expected: null, undisturbed);
}
