using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Stages;
using ClipMoe.Model;
using ClipMoe.Model.Files;

namespace ClipMoe.Nodes.Options;

/// <summary>The files that an experiment names.</summary>
internal static class InputFiles
{
    /// <summary>Checks that they are there, before anything is started.</summary>
    /// <exception cref="UserErrorException">One is missing.</exception>
    public static void Require(Experiment experiment)
    {
        // Of a pattern of tars, {00000..00099}, the data stage says which are missing.
        Require("data.path", experiment.Data.Path is { } path && !path.Contains('{') ? path : null);
        Require("data.image_root", experiment.Data.ImageRoot);
        Require("data.vocabulary", experiment.Data.Vocabulary);
        Require("model.checkpoint", experiment.Model.Checkpoint);
    }

    /// <summary>Hashes of those whose contents decide the weights; the data set has a fingerprint of its own.</summary>
    public static ExperimentInputs Hashes(Experiment experiment) => new(
        Vocabulary: experiment.Data.Vocabulary is { } vocabulary ? InputHash.OfVocabulary(vocabulary) : null,
        Checkpoint: experiment.Model.Checkpoint is { } checkpoint ? FileHash.Sha256OrNull(checkpoint) : null);

    /// <summary>
    /// Hashes for a run that is taken up again. A file of the same place counts as what it was at the beginning: the run itself says where
    /// it still needs it and finds it changed.
    /// </summary>
    /// <param name="begun">The experiment that the run was started with; null when that is not known.</param>
    public static ExperimentInputs Hashes(Experiment experiment, Experiment? begun, DataPrepared? data)
    {
        var recorded = begun is null ? new ExperimentInputs() : Recorded(begun, data);
        var sameVocabulary = recorded.Vocabulary is not null && begun!.Data.Vocabulary == experiment.Data.Vocabulary;
        var sameCheckpoint = recorded.Checkpoint is not null && begun!.Model.Checkpoint == experiment.Model.Checkpoint;
        var now = Hashes(experiment with
        {
            Data = experiment.Data with { Vocabulary = sameVocabulary ? null : experiment.Data.Vocabulary },
            Model = experiment.Model with { Checkpoint = sameCheckpoint ? null : experiment.Model.Checkpoint },
        });
        return new ExperimentInputs(
            Vocabulary: sameVocabulary ? recorded.Vocabulary : now.Vocabulary, Checkpoint: sameCheckpoint ? recorded.Checkpoint
            : now.Checkpoint);
    }

    /// <summary>What the journal knows of them.</summary>
    public static ExperimentInputs Recorded(Experiment begun, DataPrepared? data) => new(
        Vocabulary: begun.Data.Vocabulary is null ? null : data?.VocabularySha256, Checkpoint: data?.CheckpointSha256);

    private static void Require(string key, string? path)
    {
        if (path is not null && !File.Exists(path) && !Directory.Exists(path)) throw new UserErrorException($"{key}: there is no {path}.");
    }
}
