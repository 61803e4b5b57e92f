using ClipMoe.Actors.Faults;

namespace ClipMoe.Actors.Tests.Faults;

public sealed class StepHoldsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;
    private readonly StepHolds _holds;

    public StepHoldsTests() => _holds = new StepHolds(_folder);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_steps_from_the_one_that_is_named_are_held_until_another_is_named_or_all_are_released()
    {
        Assert.False(_holds.IsHeld("base", 1000));
        _holds.Hold("base", 25);
        Assert.False(_holds.IsHeld("base", 24));
        Assert.True(_holds.IsHeld("base", 25));
        Assert.True(_holds.IsHeld("base", 26));
        Assert.False(_holds.IsHeld("mcl-1", 25));
        _holds.Hold("base", 26);
        Assert.False(_holds.IsHeld("base", 25));
        _holds.Release("base");
        Assert.False(_holds.IsHeld("base", 26));
    }

    [Fact]
    public void Without_a_folder_nothing_is_held()
    {
        Assert.False(StepHolds.None.IsHeld("base", 0));
        StepHolds.None.Wait("base", 0, CancellationToken.None);
        StepHolds.None.TellReleased("base");
    }

    [Fact]
    public void Work_that_is_held_says_so_and_continues_when_it_is_released()
    {
        _holds.Hold("extract-1", 3);
        _holds.Wait("extract-1", 2, CancellationToken.None);
        var work = new Thread(() => _holds.Wait("extract-1", 3, CancellationToken.None));
        work.Start();
        Assert.True(SpinWait.SpinUntil(() => _holds.Held("extract-1").Count > 0, TimeSpan.FromMinutes(1)));
        Assert.Equal([new HeldStep(3, 0, 1)], _holds.Held("extract-1"));
        Assert.Empty(_holds.Held("extract"));
        _holds.Release("extract-1");
        work.Join();
        Assert.Empty(_holds.Held("extract-1"));
    }

    [Fact]
    public void Work_that_is_held_can_be_cancelled()
    {
        _holds.Hold("data", 0);
        using var cancellation = new CancellationTokenSource();
        cancellation.Cancel();
        Assert.Throws<OperationCanceledException>(() => _holds.Wait("data", 0, cancellation.Token));
        Assert.Empty(_holds.Held("data"));
    }

    [Fact]
    public void A_process_that_was_killed_holds_nothing()
    {
        _holds.Tell("base", new HeldStep(7, 2, 3));
        Assert.Equal([new HeldStep(7, 2, 3)], _holds.Held("base"));
        var mark = Assert.Single(Directory.GetFiles(_folder));
        // Greater than any process number can be.
        File.Move(mark, mark.Replace($"-{Environment.ProcessId}", $"-{1 << 23}"));
        Assert.Empty(_holds.Held("base"));
    }
}
