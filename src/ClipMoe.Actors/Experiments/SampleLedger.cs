namespace ClipMoe.Actors.Experiments;

/// <summary>
/// Which samples a finished experiment was trained on, by its journal. The samples of a step are a function of its number, so committed
/// steps that join without gap or overlap have used each sample exactly once per epoch.
/// </summary>
public static class SampleLedger
{
    /// <summary>One sentence for each place where they don't.</summary>
    public static IReadOnlyList<string> Violations(ExperimentState state, StagePlan plan)
    {
        var violations = new List<string>();
        foreach (var stage in plan.Stages.OfType<TrainModel>().Select(s => s.Name))
        {
            var next = 0;
            foreach (var entry in state.Ledger.Where(l => l.Stage == stage))
            {
                var (from, to) = (entry.FromStep, entry.ToStep);
                if (from > next) violations.Add($"{stage}: steps {next} to {from - 1} are missing in the ledger");
                if (from < next) violations.Add($"{stage}: steps {from} to {Math.Min(next, to) - 1} are twice in the ledger");
                next = Math.Max(next, to);
            }
            if (state.StepsOf(stage) is not { } total) violations.Add($"{stage}: its steps were never counted");
            else if (next != total) violations.Add($"{stage}: the ledger ends with {next} of {total} steps");
        }
        return violations;
    }
}
