using Akka.Actor;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Tests.Training;

public sealed class CheckpointWritersTests
{
    private static CheckpointWriters? Of(params (int Number, string Output)[] candidates) => CheckpointWriters.Choose(
        [.. candidates.Select(c => new Worker(c.Number, ActorRefs.Nobody, new WorkerInfo($"w{c.Number}", new WorkerDevice("cpu", 1),
            BulkEndpoint.SameProcess, c.Output)))]);

    [Fact]
    public void The_first_writes_and_the_next_with_another_folder_copies()
    {
        var writers = Of((7, "a"), (3, "a"), (5, "b"), (4, "c"))!;
        Assert.Equal(
            [CheckpointDuty.Write, CheckpointDuty.None, CheckpointDuty.Copy, CheckpointDuty.None],
            new[] { 7, 3, 5, 4 }.Select(writers.DutyOf));
    }

    [Fact]
    public void No_worker_copies_into_the_folder_that_the_writer_writes_to() =>
    Assert.Equal(new CheckpointWriters(7, null), Of((7, "a"), (3, "a")));

    [Fact]
    public void Without_members_there_is_no_writer() => Assert.Null(Of());
}
