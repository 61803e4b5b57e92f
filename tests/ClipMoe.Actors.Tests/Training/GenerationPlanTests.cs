using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;

namespace ClipMoe.Actors.Tests.Training;

public sealed class GenerationPlanTests
{
    private static ReplicaPosition At(int step, string state = "w", string? last = "g", string? pending = null) =>
        new(step, state, last, pending);

    private static GenerationPlan Plan(int leaves, params (int Worker, ReplicaPosition Position)[] positions) =>
        Assert.IsType<GenerationPlan>(GenerationPlan.Create(positions.ToDictionary(s => s.Worker, s => s.Position), leaves));

    [Fact]
    public void Leaves_are_dealt_without_gap_in_rank_order_of_the_worker_numbers()
    {
        var plan = Plan(8, (7, At(3)), (2, At(3)), (5, At(3)));
        Assert.Equal([2, 5, 7], plan.Members.Select(m => m.Worker));
        Assert.Equal(0, plan.Members[0].Leaves.First);
        Assert.Equal(8, plan.Members[^1].Leaves.End);
        Assert.All(plan.Members.Zip(plan.Members.Skip(1), (before, next) => (before.Leaves.End, next.Leaves.First)),
            joint => Assert.Equal(joint.End, joint.First));
        Assert.All(plan.Members, m => Assert.Equal(CatchUp.InPlace, m.Entry));
    }

    [Fact]
    public void A_replica_with_the_gradient_of_the_step_that_another_applied_applies_it_too()
    {
        var plan = Plan(8, (1, At(4, "new", last: "g3")), (2, At(3, "old", last: "g2", pending: "g3")));
        Assert.Equal(4, plan.Step);
        Assert.Equal([CatchUp.InPlace, CatchUp.Apply], plan.Members.Select(m => m.Entry));
    }

    [Theory]
    [InlineData(3, "another gradient")]
    [InlineData(3, null)]
    [InlineData(2, "g3")]
    [InlineData(0, null)]
    public void A_replica_that_is_behind_and_cannot_apply_it_copies(int step, string? pending)
    {
        var plan = Plan(8, (1, At(4, "new", last: "g3")), (2, At(step, "old", pending: pending)));
        Assert.Equal([CatchUp.InPlace, CatchUp.Copy], plan.Members.Select(m => m.Entry));
    }

    [Fact]
    public void A_gradient_that_the_farthest_replica_does_not_know_is_not_applied()
    {
        var plan = Plan(8, (1, At(4, "new", last: null)), (2, At(3, "old", pending: "g3")));
        Assert.Equal(CatchUp.Copy, plan.Members[1].Entry);
    }

    [Fact]
    public void The_state_that_most_replicas_share_is_right()
    {
        var plan = Plan(8, (1, At(4, "wrong")), (2, At(4)), (3, At(4)));
        Assert.Equal([CatchUp.Copy, CatchUp.InPlace, CatchUp.InPlace], plan.Members.Select(m => m.Entry));
    }

    [Fact]
    public void Of_two_different_states_neither_is_taken_for_right() =>
        Assert.Null(GenerationPlan.Create(new Dictionary<int, ReplicaPosition> { [1] = At(4, "a"), [2] = At(4, "b") }, leaves: 8));

    [Fact]
    public void With_more_workers_than_leaves_those_that_need_least_take_part()
    {
        var plan = Plan(2, (1, At(0, "old")), (2, At(3, "old", pending: "g3")), (3, At(4, "new", last: "g3")));
        Assert.Equal([2, 3], plan.Members.Select(m => m.Worker));
        Assert.Equal([new LeafRange(0, 1), new LeafRange(1, 2)], plan.Members.Select(m => m.Leaves));
    }
}
