using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Tests.Training.Histories;

/// <summary>The journal of a stage, which takes in one fact after the other.</summary>
internal sealed class ModelJournal(TrainingWorld world)
{
    private const string Stage = TrainingWorld.Stage;

    private readonly List<ExperimentEvent> _waiting = [];

    public ExperimentState State { get; private set; } = ExperimentState.Empty;

    public int Steps => State.CommittedSteps(Stage);

    /// <summary>With those that are not written yet.</summary>
    public int StepsTold => _waiting.OfType<StepsCheckpointed>().Select(f => f.ToStep).Append(Steps).Max();

    public void Add(ExperimentEvent fact) => _waiting.Add(fact);

    public void WriteAll()
    {
        foreach (var fact in _waiting.ToList()) Write(fact);
    }

    /// <summary>Facts that are not written yet are lost.</summary>
    public void LoseWaiting() => _waiting.Clear();

    /// <summary>If it is not there already.</summary>
    public void Write(ExperimentEvent fact)
    {
        if (!_waiting.Remove(fact)) return;
        if (fact is StepsCheckpointed steps) Check(steps);
        State = State.Apply(fact);
    }

    private void Check(StepsCheckpointed steps)
    {
        world.Check(steps.FromStep == Steps, $"the ledger goes on from {steps.FromStep}, and ended with {Steps}");
        world.Check(steps.ToStep > steps.FromStep, $"steps {steps.FromStep} to {steps.ToStep} are journaled");
        world.Check(
            world.Checkpoints[steps.ManifestSha256] == world.Arithmetic.Undisturbed(steps.ToStep),
            $"the checkpoint after {steps.ToStep} steps has not the weights of an undisturbed run");
        var losses = Enumerable.Range(steps.FromStep, steps.ToStep - steps.FromStep).Select(Undisturbed);
        // Of what an earlier coordinator saw committed only its journal tells.
        if (world.Term > 1) losses = losses.Where(l => steps.Losses.Any(s => s.Step == l.Step));
        world.Check(losses.SequenceEqual(steps.Losses), "the ledger's losses are not those of its steps, each once");

        LossSample Undisturbed(int step) => new(step, world.Arithmetic.Loss(step));
    }
}
