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
    /// <param name="firstGeneration">For a training stage: greater than any number used before.</param>
    /// <param name="holds">For a training stage: steps that wait until they are released.</param>
    public static Props Create(
        StageSpec spec, Experiment experiment, RunFolder folder, RunFiles files, ExperimentState state, IReadOnlyList<Worker> workers,
        int firstGeneration, StepHolds holds)
    {
        switch (spec)
        {
            case PrepareData:
                return Props.Create(() => new DataPreparation(spec.Name, workers));
            case TrainModel train:
                var join = new JoinStage(
                    train, state.Attempts.GetValueOrDefault(train.Name), state.CommittedSteps(train.Name),
                    Model: train.From is { } from ? state.FileOf(from) : null,
                    Labels: train.Order is ClusterPureOrder pure ? state.FileOf(pure.Labels) : null,
                    Checkpoint: state.Ledger.LastOrDefault(c => c.Stage == train.Name)?.ManifestSha256);
                var settings = new TrainingSession.SessionSettings(
                    join, state.StepsOf(train.Name), experiment.Batch.Leaves, experiment.Batch.Size, experiment.Checkpoints.EverySteps,
                    firstGeneration, state.SecondsSpent(train.Name), state.Losses(train.Name).LastOrDefault()?.Loss)
                {
                    Holds = holds,
                };
                return Props.Create(() => new TrainingSession(settings, workers));
            case ExtractFeatures extract:
                var done = state.Shards.Where(s => s.Stage == extract.Name).Select(s => s.Shard).ToHashSet();
                var layout = ShardLayout.For(state.Data!.Train);
                return Props.Create(() => new FeatureExtraction(extract, state.FileOf(extract.Model), layout, done, workers));
            case ClusterFeatures cluster:
                var shards = ShardLayout.For(state.Data!.Train);
                var features = state.Shards.Where(s => s.Stage == cluster.Features).OrderBy(s => s.Shard)
                    .Select(s => new FeatureShard(s.Shard, shards[s.Shard].First, new WrittenFile(s.File, s.Sha256))).ToList();
                var previous = cluster.PreviousLabels is { } labels ? state.FileOf(labels) : null;
                return Props.Create(() => new ClusteringSession(cluster, features, previous, experiment, folder, shards, workers));
            case AssembleMoe assemble:
                var experts = assemble.Models.Select(state.FileOf).ToList();
                return Props.Create(() => new ModelBuilding(spec.Name, new BuildMoe(assemble, experts), workers));
            case LoadModel load:
                return Props.Create(() => new ModelBuilding(spec.Name, new ImportModel(load), workers));
            case EvaluateModels evaluate:
                var models = evaluate.Models.ToDictionary(m => m, state.FileOf);
                return Props.Create(() => new EvaluationSession(evaluate, models, folder, files, workers));
            default:
                throw new ArgumentOutOfRangeException(nameof(spec), spec.GetType().Name);
        }
    }
}
