using Akka.Persistence;
using ClipMoe.Actors.Experiments;

namespace ClipMoe.Actors.Coordination;

/// <summary>
/// The journaled part of an experiment's coordinator: its state is what <see cref="ExperimentState.Apply"/> makes of the facts in the
/// journal, and nothing counts before it is there. Started again on the same journal, by whatever process, it stands where the last fact
/// left it.
/// </summary>
public abstract class ExperimentJournal : ReceivePersistentActor
{
    /// <param name="id">Names the experiment in the journal.</param>
    protected ExperimentJournal(string id)
    {
        PersistenceId = id;
        Recover<ExperimentEvent>(Apply);
    }

    public override string PersistenceId { get; }

    protected ExperimentState State { get; private set; } = ExperimentState.Empty;

    /// <summary>Does something once a fact is journaled.</summary>
    protected void PersistFact<T>(T fact, Action<T> then)
        where T : ExperimentEvent => Persist(fact, journaled =>
        {
            Apply(journaled);
            then(journaled);
        });

    /// <summary>
    /// Does something once all facts are journaled. Not by DeferAsync: after a Persist in its handler, Akka handles no further command.
    /// </summary>
    protected void PersistFacts(IReadOnlyList<ExperimentEvent> facts, Action then)
    {
        if (facts.Count == 0)
        {
            then();
            return;
        }
        var left = facts.Count;
        PersistAll(facts, fact =>
        {
            Apply(fact);
            if (--left == 0) then();
        });
    }

    /// <summary>The journal can't be written; the actor ends.</summary>
    protected abstract void OnJournalLost(JournalException failure);

    /// <summary>The journal does not take a fact; the actor continues.</summary>
    protected abstract void OnFactRefused(IOException failure);

    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistFailure(cause, @event, sequenceNr);
        var failure = Failure("written", cause);
        Publish(new RunWarning(failure.Message));
        OnJournalLost(failure);
    }

    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistRejected(cause, @event, sequenceNr);
        OnFactRefused(new IOException($"the journal rejected an event: {cause.Message}", cause));
    }

    protected override void OnRecoveryFailure(Exception reason, object? message = null)
    {
        base.OnRecoveryFailure(reason, message);
        Publish(new RunWarning(Failure("read", reason).Message));
    }

    protected static void Publish(RunEvent e) => Context.System.EventStream.Publish(e);

    private static JournalException Failure(string what, Exception cause) => new(
        $"the journal can't be {what} ({cause.Message.TrimEnd('.')}): check the disk or the database; what is in it is kept.", cause);

    private void Apply(ExperimentEvent fact) => State = State.Apply(fact);
}
