using Akka.Actor;
using ClipMoe.Actors.Clustering;
using ClipMoe.Actors.Evaluation;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Extraction;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Preparation;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Actors.Training;
using ClipMoe.Model.Sampling;

namespace ClipMoe.Actors.Coordination;

/// <summary>The actor of a stage, from where the journal says that the stage stands.</summary>
internal static class StageFactory
{
    /// <param name="FirstGeneration">For a training stage: greater than any number used before.</param>
    /// <param name="Holds">For a training stage: steps that wait until they are released.</param>
    public sealed record Start(
        Experiment Experiment, RunFolder Folder, RunFiles Files, ExperimentState State, IReadOnlyList<Worker> Workers,
        int FirstGeneration, StepHolds Holds);

    private static readonly Dictionary<StageKind, Func<StageSpec, Start, Props>> Actors = new()
    {
        [StageKind.Data] = Of<PrepareData>((spec, start) => Props.Create(() => new DataPreparation(spec.Name, start.Workers))),
        [StageKind.Load] = Of<LoadModel>((load, start) =>
            Props.Create(() => new ModelBuilding(load.Name, new ImportModel(load), start.Workers))),
        [StageKind.Train] = Of<TrainModel>(Train),
        [StageKind.Extract] = Of<ExtractFeatures>(Extract),
        [StageKind.Cluster] = Of<ClusterFeatures>(Cluster),
        [StageKind.Assemble] = Of<AssembleMoe>(Assemble),
        [StageKind.Evaluate] = Of<EvaluateModels>(Evaluate),
    };

    public static Props Create(StageSpec spec, Start start) => Actors[spec.Descriptor](spec, start);

    private static Props Train(TrainModel train, Start start)
    {
        var (experiment, state, workers) = (start.Experiment, start.State, start.Workers);
        var join = new JoinStage(
            train, state.Attempts.GetValueOrDefault(train.Name), state.CommittedSteps(train.Name),
            Model: train.From is { } from ? state.FileOf(from) : null,
            Labels: train.Order is ClusterPureOrder pure ? state.FileOf(pure.Labels) : null,
            Checkpoint: state.Ledger.LastOrDefault(c => c.Stage == train.Name)?.ManifestSha256);
        var settings = new TrainingSession.SessionSettings(
            join, state.StepsOf(train.Name), experiment.Batch.Leaves, experiment.Batch.Size, experiment.Checkpoints.EverySteps,
            start.FirstGeneration, state.SecondsSpent(train.Name), state.Losses(train.Name).LastOrDefault()?.Loss)
        {
            Holds = start.Holds,
        };
        return Props.Create(() => new TrainingSession(settings, workers));
    }

    private static Props Extract(ExtractFeatures extract, Start start)
    {
        var (model, workers) = (start.State.FileOf(extract.Model), start.Workers);
        var done = start.State.Shards.Where(s => s.Stage == extract.Name).Select(s => s.Shard).ToHashSet();
        var layout = ShardLayout.For(start.State.Data!.Train);
        return Props.Create(() => new FeatureExtraction(extract, model, layout, done, workers));
    }

    private static Props Cluster(ClusterFeatures cluster, Start start)
    {
        var shards = ShardLayout.For(start.State.Data!.Train);
        var features = start.State.Shards.Where(s => s.Stage == cluster.Features).OrderBy(s => s.Shard)
            .Select(s => new FeatureShard(s.Shard, shards[s.Shard].First, new WrittenFile(s.File, s.Sha256))).ToList();
        var previous = cluster.PreviousLabels is { } labels ? start.State.FileOf(labels) : null;
        return Props.Create(() => new ClusteringSession(
            cluster, features, previous, start.Experiment, start.Folder, shards, start.Workers));
    }

    private static Props Assemble(AssembleMoe assemble, Start start)
    {
        var build = new BuildMoe(assemble, [.. assemble.Models.Select(start.State.FileOf)]);
        return Props.Create(() => new ModelBuilding(assemble.Name, build, start.Workers));
    }

    private static Props Evaluate(EvaluateModels evaluate, Start start)
    {
        var models = evaluate.Models.ToDictionary(m => m, start.State.FileOf);
        return Props.Create(() => new EvaluationSession(evaluate, models, start.Folder, start.Files, start.Workers));
    }

    private static Func<StageSpec, Start, Props> Of<T>(Func<T, Start, Props> actor)
        where T : StageSpec => (spec, start) => actor((T)spec, start);
}
