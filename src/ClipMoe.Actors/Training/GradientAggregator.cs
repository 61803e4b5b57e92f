using System.Diagnostics;
using Akka.Actor;
using Akka.Event;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Training;

/// <summary>
/// Runs the steps of one generation as transactions: plan, wait for every member's report, commit. The sums themselves are made by the
/// members, each for its slice of the flat gradient; here only hashes and metrics meet. It ends with its generation.
/// </summary>
public sealed class GradientAggregator : ReceiveActor, IWithTimers
{
    /// <summary>More would not make a copy faster, and each is a connection and a thread.</summary>
    private const int MostDonors = 8;

    /// <param name="Workers">The members of <paramref name="Generation"/>, by number.</param>
    /// <param name="Acquainted">Workers each of which knows where all the others are.</param>
    /// <param name="Pace">Of the generations before.</param>
    public sealed record Plan(
        string Stage, int Number, GenerationPlan Generation, IReadOnlyDictionary<int, Worker> Workers, IReadOnlySet<int> Acquainted,
        int TotalSteps,
        int CheckpointEvery, StepPace Pace)
    {
        /// <summary>Steps that wait until they are released, in tests and drills.</summary>
        public StepHolds Holds { get; init; } = StepHolds.None;
    }

    private readonly Plan _plan;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Stopwatch _sinceCommit = Stopwatch.StartNew();
    private StepTransaction _step;
    private readonly Dictionary<int, StateReached> _reached = [];
    private StepPace _pace;
    /// <summary>
    /// Whether the step in flight takes longer than others, by an unknown amount: something is copied or written before it.
    /// </summary>
    private bool _slow;
    private bool _hold;
    private Commit? _held;
    private int _stale;

    public ITimerScheduler Timers { get; set; } = null!;

    public GradientAggregator(Plan plan)
    {
        (_plan, _pace) = (plan, plan.Pace);
        _slow = plan.Generation.Members.Any(m => m.Entry != CatchUp.InPlace);
        _step = new StepTransaction(
            new StepId(plan.Stage, plan.Number, plan.Generation.Step), [.. plan.Generation.Members.Select(m => m.Worker)]);
        Receive<GradientReady>(Report);
        Receive<StateReached>(Reached);
        Receive<HoldGeneration>(_ =>
        {
            _hold = true;
            CommitHeld();
        });
        Receive<CheckPace>(_ => Check());
        Receive<CheckHold>(_ =>
        {
            if (!_plan.Holds.IsHeld(_plan.Stage, _step.Id.Step)) CommitHeld();
        });
        Receive<WorkFailed>(f => Context.Parent.Forward(f));
        Receive<WorkAborted>(_ => { });
    }

    protected override void PreStart()
    {
        var members = _plan.Generation.Members.Select(m => new GenerationMember(m.Worker, _plan.Workers[m.Worker].Info.Endpoint)).ToList();
        var ranges = MemberDirectory.Ranges(members.Select(m => m.Worker));
        var (all, strangers) = (MemberDirectory.Pack(members),
            MemberDirectory.Pack([.. members.Where(m => !_plan.Acquainted.Contains(m.Worker))]));
        var donors = members.Where((_, rank) => _plan.Generation.Members[rank].Entry == CatchUp.InPlace).ToList();
        for (var rank = 0; rank < members.Count; rank++)
        {
            var (worker, planned) = (_plan.Workers[members[rank].Worker].Actor, _plan.Generation.Members[rank]);
            worker.Tell(new OpenGeneration(
                _plan.Stage, _plan.Number, rank, ranges, _plan.Acquainted.Contains(planned.Worker) ? strangers : all, planned.Leaves,
                _plan.Generation.Step, planned.Entry, planned.Entry == CatchUp.Copy ? Donors(rank) : []));
            worker.Tell(new ComputeStep(_step.Id));
        }
        Timers.StartPeriodicTimer("pace", new CheckPace(), TimeSpan.FromSeconds(1));

        // Others for each rank, so that many copying members do not all ask the same donor.
        IReadOnlyList<GenerationMember> Donors(int rank) =>
            [.. Enumerable.Range(0, Math.Min(MostDonors, donors.Count)).Select(i => donors[(rank * MostDonors + i) % donors.Count])];
    }

    protected override void PostStop()
    {
        if (_held is not null) _plan.Holds.TellReleased(_plan.Stage);
    }

    private sealed record CheckPace;

    private sealed record CheckHold;

    private void Report(GradientReady report)
    {
        (_step, var verdict) = _step.Report(report);
        switch (verdict)
        {
            case Commit commit when !_hold && _plan.Holds.IsHeld(_plan.Stage, _step.Id.Step):
                Hold(commit);
                break;
            case Commit commit:
                CommitCurrent(commit);
                break;
            case Disagree disagree:
                Context.Parent.Tell(new ReplicasDisagree(
                    _step.Id, [.. disagree.Reports.Values.Select(r => new ReplicaReport(r.Worker, r.StateHash, r.GradientHash))]));
                break;
            case Stale:
                _log.Debug("Dropped stale report {0} of worker {1} ({2} so far)", report.Id, report.Worker, ++_stale);
                break;
        }
    }

    /// <summary>All members wait for nothing but the commit, so no time counts that passes until then.</summary>
    private void Hold(Commit commit)
    {
        _held = commit;
        _sinceCommit.Stop();
        _plan.Holds.Tell(_plan.Stage, new HeldStep(_step.Id.Step, _plan.Number, _step.Members.Count));
        Timers.StartPeriodicTimer("hold", new CheckHold(), StepHolds.LookEvery);
    }

    private void CommitHeld()
    {
        if (_held is not { } commit) return;
        _held = null;
        Timers.Cancel("hold");
        _plan.Holds.TellReleased(_plan.Stage);
        CommitCurrent(commit);
    }

    private void CommitCurrent(Commit commit)
    {
        var id = _step.Id;
        var done = id.Step + 1;
        var last = _hold || done == _plan.TotalSteps;
        // What is written is the state that all have just agreed on, before the update that one of them may get wrong.
        var writers = id.Step > 0 && id.Step % _plan.CheckpointEvery == 0
            ? CheckpointWriters.Choose([.. _step.Members.Select(m => _plan.Workers[m])]) : null;
        if (!_slow) _pace = _pace.Add(_sinceCommit.Elapsed);
        Context.Parent.Tell(new StepProgress(id, commit.Metrics, _pace));
        foreach (var member in _step.Members)
            _plan.Workers[member].Actor.Tell(new CommitStep(id, writers?.DutyOf(member) ?? CheckpointDuty.None, Continue: !last));
        _slow = writers is not null;
        _sinceCommit.Restart();
        if (!last) _step = _step.Next();
    }

    /// <summary>The state after the last step of the generation, which no further step compares.</summary>
    private void Reached(StateReached reached)
    {
        _reached[reached.Worker] = reached;
        if (_reached.Count < _step.Members.Count) return;
        Timers.CancelAll();
        Context.Parent.Tell(_reached.Values.DistinctBy(r => r.StateHash).Count() == 1
            ? new GenerationHeld(_plan.Number, reached.Id.Step)
            : new ReplicasDisagree(reached.Id, [.. _reached.Values.Select(r => new ReplicaReport(r.Worker, r.StateHash, null))]));
    }

    private void Check()
    {
        if (_sinceCommit.Elapsed < (_slow ? StepPace.Unknown : _pace).Deadline) return;
        Timers.CancelAll();
        Context.Parent.Tell(new StepOverdue(_step.Id, _sinceCommit.Elapsed));
    }
}
