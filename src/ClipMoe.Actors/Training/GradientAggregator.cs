using Akka.Actor;
using Akka.Event;
using ClipMoe.Actors.Protocol;
using ClipMoe.Model.Training;

namespace ClipMoe.Actors.Training;

/// <summary>
/// Runs the steps of one generation as transactions: plan, wait for every member's report, commit. The sums themselves are made by the
/// members, each for its slice of the flat gradient; here only hashes and losses meet.
/// </summary>
public sealed class GradientAggregator : ReceiveActor
{
    /// <param name="Members">Worker numbers in rank order.</param>
    public sealed record Plan(
        string Stage, int Generation, IReadOnlyList<int> Members, int Leaves, int FirstStep, int TotalSteps, int CheckpointEvery);

    private readonly Plan _plan;
    private readonly IReadOnlyDictionary<int, IActorRef> _workers;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private StepTransaction _step;
    private bool _stopping;
    private int _stale;

    public GradientAggregator(Plan plan, IReadOnlyDictionary<int, IActorRef> workers)
    {
        _plan = plan;
        _workers = workers;
        _step = Attempt(plan.FirstStep);
        Receive<GradientReady>(Report);
        Receive<WorkFailed>(f => Context.Parent.Forward(f));
        Receive<WorkAborted>(_ => { });
        Receive<StopTraining>(_ => _stopping = true);
    }

    protected override void PreStart()
    {
        for (var rank = 0; rank < _plan.Members.Count; rank++)
        {
            var worker = _workers[_plan.Members[rank]];
            worker.Tell(new OpenGeneration(_plan.Stage, _plan.Generation, rank, _plan.Members.Count, LeavesOf(rank)));
            worker.Tell(new PlanStep(_step.Id));
        }
    }

    private StepTransaction Attempt(int step) => new(new StepId(_plan.Stage, _plan.Generation, step), _plan.Members);

    private LeafRange LeavesOf(int rank)
    {
        var (first, end) = LeafPartition.Leaves(rank, _plan.Leaves, _plan.Members.Count);
        return new LeafRange(first, end);
    }

    private void Report(GradientReady report)
    {
        (_step, var verdict) = _step.Report(report);
        switch (verdict)
        {
            case Commit commit:
                CommitCurrent(commit);
                break;
            case Disagree disagree:
                Context.Parent.Tell(new ReplicasDisagree(_step.Id, disagree.HashByWorker));
                break;
            case Stale:
                _log.Debug("Dropped stale report {0} of worker {1} ({2} so far)", report.Id, report.Worker, ++_stale);
                break;
        }
    }

    private void CommitCurrent(Commit commit)
    {
        var id = _step.Id;
        var done = id.Step + 1;
        var last = _stopping || done == _plan.TotalSteps;
        var checkpoint = last || done % _plan.CheckpointEvery == 0;
        for (var rank = 0; rank < _plan.Members.Count; rank++)
            _workers[_plan.Members[rank]].Tell(new CommitStep(id, checkpoint && rank == 0, Continue: !last));
        Context.Parent.Tell(new StepProgress(id.Stage, id.Step, commit.Loss, commit.LearningRate));
        if (!last) _step = Attempt(done);
    }
}
