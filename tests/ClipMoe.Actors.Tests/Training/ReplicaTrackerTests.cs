using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;

namespace ClipMoe.Actors.Tests.Training;

public sealed class ReplicaTrackerTests
{
    private readonly ReplicaTracker _attendance = new();

    private static ReplicaPosition At(int step) => new(step, $"weights {step}", null, null);

    private void Join(params int[] workers)
    {
        foreach (var worker in workers) Assert.True(_attendance.Invite(worker) && _attendance.Join(worker, At(0)));
    }

    [Fact]
    public void Only_who_was_invited_joins()
    {
        Assert.False(_attendance.Join(1, At(0)));
        Assert.True(_attendance.Invite(1));
        Assert.True(_attendance.SomeJoin);
        Assert.True(_attendance.Join(1, At(3)));
        Assert.Equal((3, false), (_attendance.Standing[1].Step, _attendance.SomeJoin));
    }

    [Fact]
    public void Who_says_that_it_lives_has_longer_to_answer_and_must_say_so_again()
    {
        Join(1, 2, 3);
        _attendance.Ask([1, 2, 3]);
        Assert.True(_attendance.Answer(1, At(7)));
        _attendance.Lives(2);
        Assert.Equal([3], _attendance.TakeSilent());
        Assert.Equal([2, 3], _attendance.TakeSilent().Order());
        Assert.True(_attendance.SomeAreToAnswer);
    }

    [Fact]
    public void An_answer_counts_once_and_only_from_those_who_were_asked()
    {
        Join(1, 2);
        _attendance.Ask([1]);
        Assert.True(_attendance.Answer(1, At(7)));
        Assert.False(_attendance.Answer(1, At(8)));
        Assert.False(_attendance.Answer(2, At(8)));
        Assert.Equal([7, 0], new[] { 1, 2 }.Select(w => _attendance.Standing[w].Step));
    }

    [Fact]
    public void Whoever_was_left_behind_five_times_is_not_asked_again()
    {
        for (var time = 0; time < 5; time++)
        {
            Join(1);
            _attendance.Drop(1);
            Assert.False(_attendance.Has(1));
        }
        Assert.False(_attendance.Invite(1));
        Join(2);
    }

    [Fact]
    public void Who_is_gone_does_not_move()
    {
        Join(1, 2);
        _attendance.Remove(2);
        _attendance.Move([1, 2], worker => At(10 * worker));
        Assert.Equal([1], _attendance.Standing.Keys);
        Assert.Equal(10, _attendance.Standing[1].Step);
    }

    [Fact]
    public void Without_replicas_of_use_others_still_join()
    {
        Join(1);
        _attendance.Invite(2);
        _attendance.Forget();
        Assert.Empty(_attendance.Standing);
        Assert.False(_attendance.SomeJoin);
        Assert.False(_attendance.Join(2, new ReplicaPosition(0, "a", null, null)));
    }
}
