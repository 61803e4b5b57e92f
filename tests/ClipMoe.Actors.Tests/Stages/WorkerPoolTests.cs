using Akka.Actor;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Tests.Stages;

public sealed class WorkerPoolTests
{
    private readonly WorkerPool _pool = new();

    private static Worker Number(int number) =>
        new(number, ActorRefs.Nobody, new WorkerInfo($"w{number}", new WorkerDevice("cpu", 1), BulkEndpoint.SameProcess, "here"));

    [Fact]
    public void Settled_is_a_pool_with_a_ready_worker_and_none_about_to_be()
    {
        Assert.False(_pool.Settled);
        _pool.Open(Number(2));
        _pool.Open(Number(1));
        Assert.False(_pool.Settled);
        Assert.Equal(2, _pool.Opened(2)?.Number);
        Assert.False(_pool.Settled);
        Assert.Equal(1, _pool.Opened(1)?.Number);
        Assert.True(_pool.Settled);
        Assert.Equal([1, 2], _pool.Ready.Select(w => w.Number));
    }

    [Fact]
    public void A_worker_that_opens_again_is_not_ready_meanwhile()
    {
        _pool.Open(Number(1));
        _pool.Opened(1);
        _pool.Open(Number(1));
        Assert.Empty(_pool.Ready);
        Assert.False(_pool.Settled);
        Assert.Single(_pool.Known);
    }

    [Fact]
    public void A_worker_that_refused_is_known_but_never_ready()
    {
        _pool.Open(Number(1));
        Assert.Equal(1, _pool.Refused(1)?.Number);
        Assert.Null(_pool.Opened(1));
        Assert.Empty(_pool.Ready);
        Assert.False(_pool.Settled);
    }

    [Fact]
    public void Answers_of_workers_that_are_gone_or_were_not_asked_count_for_nothing()
    {
        _pool.Open(Number(1));
        Assert.True(_pool.Remove(1));
        Assert.False(_pool.Remove(1));
        Assert.Null(_pool.Opened(1));
        Assert.Null(_pool.Refused(7));
        Assert.Empty(_pool.Known);
    }

    [Fact]
    public void The_others_continue_without_one_that_is_lost_while_it_opens()
    {
        _pool.Open(Number(1));
        _pool.Open(Number(2));
        _pool.Opened(1);
        _pool.Remove(2);
        Assert.True(_pool.Settled);
    }
}
