using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Tests.Numerics;

public sealed class DedicatedThreadsTests
{
    [Theory]
    [InlineData(0, 3)]
    [InlineData(1, 3)]
    [InlineData(100, 1)]
    [InlineData(100, 4)]
    public void Every_index_is_done_once(int count, int threads)
    {
        var done = new int[count];
        DedicatedThreads.For(count, threads, i => Interlocked.Increment(ref done[i]));
        Assert.All(done, times => Assert.Equal(1, times));
    }

    [Fact]
    public void The_first_exception_reaches_the_caller_and_ends_the_work()
    {
        var begun = 0;
        var error = Assert.Throws<InvalidOperationException>(() => DedicatedThreads.For(1_000_000, threads: 3, i =>
        {
            Interlocked.Increment(ref begun);
            throw new InvalidOperationException("no");
        }));
        Assert.Equal("no", error.Message);
        Assert.InRange(begun, 1, 3);
    }
}
