using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;

namespace ClipMoe.Actors.Preparation;

/// <summary>The stage that makes or opens the data set; the reading itself is <see cref="Workspace.Prepare"/>, by one worker.</summary>
public sealed class DataPreparation : SingleWork
{
    public DataPreparation(string stage, IEnumerable<Worker> workers)
        : base(stage, new PrepareDataSet(stage), workers)
    {
        Receive<PreparationProgress>(p => Publish(new StageProgress(stage, p.Done, p.Total, null, null, null, 1)));
        Receive<DataSetPrepared>(m => m.Stage == stage, m => Context.Parent.Tell(new JournalFact(m.Fact)));
        Receive<FactJournaled>(_ => Context.Parent.Tell(new CompleteStage(stage, new StageResult(null, null, Clock.Elapsed.TotalSeconds))));
        // What was read so far is of no use: the worker is told to leave when this actor stops, and gives up.
        Receive<StopExperiment>(_ => Context.Parent.Tell(new StageStopped(stage)));
    }
}
