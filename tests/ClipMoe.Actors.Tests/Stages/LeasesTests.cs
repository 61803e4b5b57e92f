using ClipMoe.Actors.Stages;

namespace ClipMoe.Actors.Tests.Stages;

public sealed class LeasesTests
{
    private readonly Leases<string> _leases = new(["a", "b", "c"]);

    private string? Take(int worker) => _leases.TryTake(worker, out var work) ? work : null;

    [Fact]
    public void Each_worker_holds_one_piece_at_a_time()
    {
        Assert.Equal("a", Take(1));
        Assert.Null(Take(1));
        Assert.Equal("b", Take(2));
        Assert.True(_leases.Done(1, "a"));
        Assert.Equal("c", Take(1));
    }

    [Fact]
    public void All_is_done_when_nothing_is_open_and_nothing_held()
    {
        foreach (var work in (string[])["a", "b", "c"])
        {
            Assert.False(_leases.AllDone);
            Assert.Equal(work, Take(1));
            Assert.False(_leases.NoneHeld);
            Assert.True(_leases.Done(1, work));
            Assert.True(_leases.NoneHeld);
        }
        Assert.Null(Take(1));
        Assert.True(_leases.AllDone);
    }

    [Fact]
    public void What_a_lost_worker_had_is_given_out_again_first_and_counts_once()
    {
        Take(1);
        Take(2);
        _leases.Return(1);
        Assert.False(_leases.Done(1, "a"));
        Assert.Equal("a", Take(3));
        Assert.True(_leases.Done(3, "a"));
        Assert.False(_leases.Done(3, "a"));
    }

    [Fact]
    public void A_worker_that_held_nothing_returns_nothing()
    {
        _leases.Return(9);
        Assert.False(_leases.Done(9, "a"));
        Assert.Equal("a", Take(1));
    }
}
