using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Reduction;
using ClipMoe.Model.Training;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;

namespace ClipMoe.Actors.Tests.Training;

/// <summary>The pure parts of training, each against what is said of it.</summary>
[Properties(QuietOnSuccess = true, Arbitrary = [typeof(Inputs)])]
public sealed class PlannerProperties
{
    private const string Stage = "mcl-1";

    /// <summary>What a report says, each by a small number so that they often agree.</summary>
    public sealed record Said(int Worker, int Generation, int Step, int Gradient, int State);

    /// <param name="Members">Of the generation whose step it is.</param>
    public sealed record Attempt(int Members, IReadOnlyList<Said> Reports)
    {
        public override string ToString() => $"{Members} members: {string.Join(", ", Reports)}";
    }

    /// <param name="Leaves">Of a batch.</param>
    public sealed record Replicas(int Leaves, IReadOnlyList<ReplicaPosition> Positions)
    {
        public override string ToString() => $"{Leaves} leaves: {string.Join(", ", Positions)}";
    }

    public static class Inputs
    {
        public static Arbitrary<Attempt> Attempts() => Arb.From(
            from members in Gen.Choose(1, 4)
            from reports in Report().ListOf()
            select new Attempt(members, [.. reports]),
            a => a.Reports.Select((_, i) => a with { Reports = [.. a.Reports.Where((_, at) => at != i)] }));

        public static Arbitrary<Replicas> Positions() => Arb.From(
            from leaves in Gen.Choose(1, 6)
            from positions in Position().NonEmptyListOf()
            select new Replicas(leaves, [.. positions.Take(8)]),
            r => r.Positions.Skip(1).Select((_, i) => r with { Positions = [.. r.Positions.Where((_, at) => at != i)] }));

        private static Gen<Said> Report() =>
            from worker in Gen.Choose(0, 5)
            from generation in Gen.Frequency((5, Gen.Constant(2)), (1, Gen.Choose(1, 3)))
            from step in Gen.Frequency((5, Gen.Constant(17)), (1, Gen.Choose(16, 18)))
            from gradient in Gen.Frequency((8, Gen.Constant(0)), (1, Gen.Constant(1)))
            from state in Gen.Frequency((8, Gen.Constant(0)), (1, Gen.Constant(1)))
            select new Said(worker, generation, step, gradient, state);

        private static Gen<ReplicaPosition> Position() =>
            from step in Gen.Choose(-1, 3)
            from state in Gen.Choose(0, 2)
            from last in Gen.Elements<string?>(null, "a", "b")
            from pending in Gen.Elements<string?>(null, "a", "b")
            select new ReplicaPosition(step, $"w{state}", last, pending);
    }

    [Property(MaxTest = 2000)]
    public void A_step_is_decided_by_each_members_first_report_on_it_and_by_nothing_else(Attempt attempt)
    {
        var (id, members) = (new StepId(Stage, 2, 17), Enumerable.Range(0, attempt.Members).ToList());
        var (step, first) = (new StepTransaction(id, members), new Dictionary<int, Said>());
        foreach (var said in attempt.Reports)
        {
            var of = new StepId(Stage, said.Generation, said.Step);
            var metrics = new MetricWriter().Write(
                [(new Subtree(said.Worker, said.Worker + 1), new MetricBag { { StepLoss.Total, Loss(said.Worker) } })]);
            (step, var verdict) = step.Report(
                new GradientReady(of, said.Worker, $"g{said.Gradient}", $"w{said.State}", metrics));
            var counts = of == id && members.Contains(said.Worker) && first.TryAdd(said.Worker, said);
            var agree = first.Values.Select(s => (s.Gradient, s.State)).Distinct().Count() == 1;
            if (!counts) Assert.IsType<Stale>(verdict);
            else if (first.Count < members.Count) Assert.IsType<Wait>(verdict);
            else if (!agree) Assert.Equal(members, Assert.IsType<Disagree>(verdict).Reports.Keys.Order());
            // The order in which reports came does not show.
            else Assert.Equal(TotalLoss(0, members.Count), Assert.IsType<Commit>(verdict).Metrics[StepLoss.Total]);
        }
    }

    [Property(MaxTest = 2000)]
    public void A_generation_begins_at_the_farthest_step_with_the_state_that_most_replicas_share(Replicas replicas)
    {
        var positions = replicas.Positions.Select((s, i) => (Worker: 3 * i, Position: s)).ToDictionary(s => s.Worker, s => s.Position);
        var farthest = positions.Values.Max(s => s.Step);
        var votes = positions.Values.Where(s => s.Step == farthest).CountBy(s => s.StateHash).OrderByDescending(v => v.Value).ToList();
        if (GenerationPlan.Create(positions, replicas.Leaves) is not { } plan)
        {
            Assert.Equal(votes[0].Value, votes.ElementAtOrDefault(1).Value);
            return;
        }

        Assert.True(votes.Count == 1 || votes[0].Value > votes[1].Value, "one of several states was taken that as many replicas have");
        Assert.Equal(farthest, plan.Step);
        Assert.Equal(Math.Min(replicas.Leaves, positions.Count), plan.Members.Count);
        Assert.Equal(plan.Members.Select(m => m.Worker).Order(), plan.Members.Select(m => m.Worker));
        var leaves = plan.Members.SelectMany(m => Enumerable.Range(m.Leaves.First, m.Leaves.End - m.Leaves.First));
        Assert.Equal(Enumerable.Range(0, replicas.Leaves), leaves);
        Assert.All(plan.Members, m => Assert.True(m.Leaves.End > m.Leaves.First, $"worker {m.Worker} has no leaf"));
        Assert.Contains(plan.Members, m => m.Entry == CatchUp.InPlace);
        Assert.All(plan.Members, m => Assert.True(Fits(m.Entry, positions[m.Worker]), $"worker {m.Worker} enters by {m.Entry}"));
        // None that stands there stays out for one that does not.
        var stayOut = positions.Keys.Except(plan.Members.Select(m => m.Worker)).ToList();
        if (plan.Members.All(m => m.Entry == CatchUp.InPlace)) return;
        Assert.DoesNotContain(stayOut, worker => Fits(CatchUp.InPlace, positions[worker]));

        bool Fits(CatchUp entry, ReplicaPosition position)
        {
            var inPlace = position.Step == farthest && position.StateHash == votes[0].Key;
            return entry switch
            {
                CatchUp.InPlace => inPlace,
                // The gradient is of the step before, and a replica with the right state applied the same.
                CatchUp.Apply => position.Step == farthest - 1 && position.PendingGradient is { } pending
                    && positions.Values.Any(s => s.Step == farthest && s.StateHash == votes[0].Key && s.LastGradient == pending),
                _ => !inPlace,
            };
        }
    }

    [Property(MaxTest = 1000)]
    public void A_worker_that_is_introduced_once_is_known_in_all_generations_after(NonEmptyArray<byte>[] generations)
    {
        var (directory, known) = (new MemberDirectory(), new HashSet<int>());
        foreach (var members in generations.Take(4).Select(g => g.Get.Take(12).Select(m => (int)m).Distinct().Order().ToList()))
        {
            var ranges = MemberDirectory.Ranges(members);
            var gaps = ranges.Zip(ranges.Skip(1), (one, next) => next.First - one.End);
            Assert.All(gaps, gap => Assert.True(gap > 0, "two ranges are one run"));
            var introduced = MemberDirectory.Pack([.. members.Where(known.Add).Select(Member)]);
            var open = new OpenGeneration(Stage, 1, 0, ranges, introduced, new LeafRange(0, 1), 0, CatchUp.InPlace, []);
            Assert.Equal(members.Select(Member), directory.MembersOf(open));
        }

        static GenerationMember Member(int worker) => new(worker, new BulkEndpoint($"host-{worker}", worker));
    }

    [Property(MaxTest = 1000)]
    public void A_ledger_is_right_if_its_intervals_join_and_only_then(PositiveInt steps, byte[] ends, byte from, byte to)
    {
        var total = steps.Get;
        List<int> cuts = [0, .. ends.Select(e => e % (total + 1)).Append(total).Where(e => e > 0).Distinct().Order()];
        List<(int From, int To)> intervals = [.. cuts.Zip(cuts.Skip(1))];
        Assert.Empty(Violations(intervals));
        // Another interval in place of one of them.
        var changed = (From: from % (total + 1), To: to % (total + 1));
        var at = (from + to) % intervals.Count;
        if (changed == intervals[at] || changed.To <= changed.From) return;
        intervals[at] = changed;
        Assert.NotEmpty(Violations(intervals));

        IReadOnlyList<string> Violations(List<(int From, int To)> journaled) => SampleLedger.Violations(
            journaled.Aggregate(
                ExperimentState.Empty.Apply(new StepsPlanned(StagePlan.Base, total)),
                (state, i) => state.Apply(new StepsCheckpointed(StagePlan.Base, i.From, i.To, "", 1, []))),
            new StagePlan([StagePlan.For(TestExperiments.Small)[StagePlan.Base]]));
    }

    private static double Loss(int worker) => 1 / (3.0 + worker);

    /// <summary>Of members with a leaf each, added in the tree's order.</summary>
    private static double TotalLoss(int from, int to)
    {
        if (to - from == 1) return Loss(from);
        var half = 1;
        while (2 * half < to - from) half *= 2;
        return TotalLoss(from, from + half) + TotalLoss(from + half, to);
    }
}
