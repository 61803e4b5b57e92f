using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Model;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.Upcycling;

namespace ClipMoe.Actors.Upcycling;

/// <summary>Stages that make a model without training. Runs on a device thread.</summary>
internal static class ModelWork
{
    /// <summary>Takes a dense checkpoint over as the base: stretched to the experiment's context, in our format.</summary>
    public static ModelBuilt Import(Workspace workspace, ImportModel work)
    {
        using var source = workspace.OpenCheckpoint(work.Spec.Path);
        var found = CheckpointConfig.Infer(source);
        if (found.Moe is not null)
            throw new UserErrorException($"{work.Spec.Path} is a CLIP-MoE already: the pipeline starts from a dense CLIP.");
        workspace.Data.Tokenizer.Vocabulary.RequireFits(found, work.Spec.Path);
        if (workspace.Experiment.Model.ContextLength < found.ContextLength)
        {
            throw new UserErrorException(
                $"model.context_length is {workspace.Experiment.Model.ContextLength}, but {work.Spec.Path} has {found.ContextLength} " +
                $"text positions, which can only be stretched: leave the key out, or raise it.");
        }
        var stretched = workspace.Experiment.Model.ContextLength is { } context && context > found.ContextLength
            ? CheckpointSource.Stretched(found) with { ContextLength = context }
            : found;
        var loss = workspace.Experiment.Training.Loss;
        using var replica = workspace.Models.New(stretched with { Loss = loss }, TrainableParameters.None);
        // With InfoNCE the reference replaces the checkpoint's temperature by its own for all training.
        var replaced = loss.Replaced(found.Loss);
        replica.Load(workspace.Models.Source(source, stretched), except: replaced.Keys);
        foreach (var (name, value) in replaced) replica.Write(name, [(float)value]);
        return Built(workspace, work.Spec.Name, replica);
    }

    /// <summary>
    /// Experts from the FFNs of the given models, everything else from the first (reference: initMoE_MCL, initMoE_upcycle).
    /// </summary>
    public static ModelBuilt Assemble(Workspace workspace, BuildMoe work)
    {
        var moe = workspace.Experiment.Moe;
        var files = work.Files.Select(f => TensorFile.Open(workspace.Files.Local(f))).ToList();
        try
        {
            var config = CheckpointConfig.Infer(files[0]);
            var blocks = Math.Max(config.Vision.Layers, config.Text.Layers);
            var layers = Math.Min(moe.Layers ?? blocks, blocks);
            using var replica = workspace.Models.New(config with { Moe = new MoeConfig(work.Spec.Experts, moe.TopK, layers) },
                TrainableParameters.None);
            var sources = files.Select(f => workspace.Models.Source(f, config)).ToList();
            var gates = new GateInitialization(workspace.Experiment.Seed + (ulong)workspace.StreamOf(work.Spec.Name));
            if (sources.Count == 1) MoeAssembly.Upcycle(replica, sources[0], gates);
            else MoeAssembly.FromDense(replica, sources[0], sources, gates);
            return Built(workspace, work.Spec.Name, replica);
        }
        finally
        {
            files.ForEach(f => f.Dispose());
        }
    }

    private static ModelBuilt Built(Workspace workspace, string stage, Replica replica)
    {
        var file = RunFolder.ModelFile(stage);
        return new ModelBuilt(stage, new WrittenFile(file, workspace.Models.Save(file, replica, workspace.Provenance(stage, step: null))));
    }
}
