using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;

namespace ClipMoe.Actors.Tests.Training;

public sealed class ReplicaTrackerTests
{
    private readonly ReplicaTracker _tracker = new();

    private static ReplicaPosition At(int step) => new(step, $"weights {step}", null, null);

    private void Join(params int[] workers)
    {
        foreach (var worker in workers) Assert.True(_tracker.Invite(worker) && _tracker.Join(worker, At(0)));
    }

    [Fact]
    public void Only_invited_workers_join()
    {
        Assert.False(_tracker.Join(1, At(0)));
        Assert.True(_tracker.Invite(1));
        Assert.True(_tracker.SomeJoin);
        Assert.True(_tracker.Join(1, At(3)));
        Assert.Equal((3, false), (_tracker.Positions[1].Step, _tracker.SomeJoin));
    }

    [Fact]
    public void A_worker_that_says_that_it_lives_has_longer_to_answer_and_must_say_so_again()
    {
        Join(1, 2, 3);
        _tracker.Ask([1, 2, 3]);
        Assert.True(_tracker.Answer(1, At(7)));
        _tracker.Lives(2);
        Assert.Equal([3], _tracker.TakeSilent());
        Assert.Equal([2, 3], _tracker.TakeSilent().Order());
        Assert.True(_tracker.SomeAreToAnswer);
    }

    [Fact]
    public void An_answer_counts_once_and_only_from_workers_that_were_asked()
    {
        Join(1, 2);
        _tracker.Ask([1]);
        Assert.True(_tracker.Answer(1, At(7)));
        Assert.False(_tracker.Answer(1, At(8)));
        Assert.False(_tracker.Answer(2, At(8)));
        Assert.Equal([7, 0], new[] { 1, 2 }.Select(w => _tracker.Positions[w].Step));
    }

    [Fact]
    public void A_worker_that_was_dropped_five_times_is_not_asked_again()
    {
        for (var time = 0; time < 5; time++)
        {
            Assert.False(_tracker.IsExhausted(1));
            Join(1);
            _tracker.Drop(1);
            Assert.False(_tracker.Has(1));
        }
        Assert.True(_tracker.IsExhausted(1));
        Assert.False(_tracker.Invite(1));
        Join(2);
    }

    [Fact]
    public void Replicas_being_built_are_waited_for_once_another_is_there_each_by_its_invitation()
    {
        _tracker.Invite(1);
        _tracker.Invite(2);
        Assert.Empty(_tracker.Awaited);
        _tracker.Join(1, At(0));
        var first = Assert.Single(_tracker.Awaited);
        Assert.Equal(2, first.Worker);
        _tracker.Drop(2);
        Assert.Empty(_tracker.Awaited);
        _tracker.Invite(2);
        Assert.NotEqual(first, Assert.Single(_tracker.Awaited));
    }

    [Fact]
    public void A_lost_worker_does_not_move()
    {
        Join(1, 2);
        _tracker.Remove(2);
        _tracker.Move([1, 2], worker => At(10 * worker));
        Assert.Equal([1], _tracker.Positions.Keys);
        Assert.Equal(10, _tracker.Positions[1].Step);
    }

    [Fact]
    public void Without_replicas_of_use_others_still_join()
    {
        Join(1);
        _tracker.Invite(2);
        _tracker.Forget();
        Assert.Empty(_tracker.Positions);
        Assert.False(_tracker.SomeJoin);
        Assert.False(_tracker.Join(2, new ReplicaPosition(0, "a", null, null)));
    }
}
