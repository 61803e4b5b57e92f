using ClipMoe.Actors.Scheduling;

namespace ClipMoe.Actors.Tests.Scheduling;

public sealed class CoordinatorQuorumTests
{
    [Fact]
    public void Two_coordinators_are_warned_of_and_no_other_number_is() =>
        Assert.Equal([2], Enumerable.Range(0, 6).Where(n => CoordinatorQuorum.Warning(n) is not null));
}
