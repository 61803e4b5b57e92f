using FsCheck.Xunit;
using static ClipMoe.Actors.Tests.Training.Histories.Happening;

namespace ClipMoe.Actors.Tests.Training.Histories;

/// <summary>
/// Random histories of joins, deaths, late and repeated messages, played to the real session and aggregators on one thread and with virtual
/// time. In all of them: no generation commits once there is a later one, replicas that take part have made each step once and in order,
/// the ledger has each step once, and a stage that is left alone ends within a bounded number of rounds.
/// </summary>
[Properties(QuietOnSuccess = true)]
public sealed class TrainingHistoryProperties(OneThread actors) : IClassFixture<OneThread>
{
    /// <summary>Each failed once, with the code as it was or with a fault that was put in on purpose.</summary>
    public static TheoryData<History> Counterexamples => new(
        // The only one that has the state is let go while another, which is to copy it, has joined: the checkpoint is waited for.
        new History(1, 1, 2, 3, [new(Run, 1), new(Release, 0)]),
        new History(1, 2, 4, 2, [new(Run, 2), new(Join, 0), new(Run, 4), new(Die, 1), new(Release, 0)]),
        // So it is not if its writer was left behind, or training went on with it, and it died.
        new History(2, 2, 2, 3, [
            new(Run, 2), new(Die, 3), new(Run, 1), new(Pause, 0), new(Run, 3), new(Wait, 0), new(Die, 0), new(Pause, 0)]),
        // A writer dies between two generations: of those that are there one has no state yet to write.
        new History(3, 2, 2, 1, [new(Run, 1), new(Release, 0), new(FailCopy, 2), new(Run, 5), new(Overdue, 0), new(Die, 6)]),
        // Training went back to a checkpoint, then a later one is journaled, whose writer had not answered: losses are there once.
        new History(1, 1, 3, 1, [new(Run, 3), new(Join, 0), new(Run, 4), new(Overdue, 0), new(Wait, 0)]),
        // The only worker is to be let go when it has not answered: it is let go, for others to come.
        new History(1, 1, 2, 3, [new(Run, 2), new(Release, 0), new(Overdue, 0), new(Wait, 0)]),
        // The device that writes the last checkpoint erred in the last update, after which no step compares the replicas.
        new History(2, 2, 1, 1, [new(Run, 1), new(Err, 0)]),
        // A device hangs before its replica is built.
        new History(2, 2, 2, 1, [new(Hang, 1)]),
        // The device that writes the last checkpoint hangs, then writes it at the same time as the one that took its place.
        new History(2, 2, 1, 1, [new(Run, 5), new(Hang, 0)]),
        new History(2, 2, 1, 1, [new(Run, 5), new(Hang, 0), new(Run, 3), new(WaitLong, 0), new(Hang, 0), new(Run, 7)]));

    [Property(MaxTest = 1500, Arbitrary = [typeof(Histories)])]
    public void Each_step_counts_once_whatever_happens(History history) => HistoryPlayer.Play(actors, history);

    [Property(MaxTest = 1000, Arbitrary = [typeof(ErringHistories)])]
    public void A_device_that_errs_never_changes_what_is_written(History history) => HistoryPlayer.Play(actors, history);

    [Theory]
    [MemberData(nameof(Counterexamples))]
    public void What_went_wrong_once_goes_well(History history) => HistoryPlayer.Play(actors, history);
}
