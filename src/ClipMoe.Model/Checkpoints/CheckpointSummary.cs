using ClipMoe.Model.Architecture;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Checkpoints;

/// <summary>
/// Numbers of elements by the part of the model they belong to; integer tensors (sizes kept as buffers) are no parameters.
/// </summary>
public sealed record ParameterCounts(long Total, long Image, long Text, long Experts, long Routers);

/// <summary>What a tensor file is, from its names, shapes and metadata alone.</summary>
/// <param name="Config">Null when the file holds no CLIP.</param>
/// <param name="TopKIsAssumed">Whether the config's experts per token are the usual number, since the file does not say.</param>
/// <param name="Types">Elements of each type that occurs.</param>
public sealed record CheckpointSummary(
    ClipConfig? Config, bool TopKIsAssumed, ParameterCounts Parameters, IReadOnlyDictionary<TensorType, long> Types, Provenance? Provenance)
{
    /// <exception cref="UserErrorException">It is a CLIP, but its tensors contradict each other.</exception>
    public static CheckpointSummary Create(ITensorFile file)
    {
        var parameters = file.Tensors.Where(t => t.Type.IsFloat()).ToList();
        var counts = new ParameterCounts(
            Count(_ => true),
            Count(n => n.StartsWith("visual.", StringComparison.Ordinal)),
            Count(n => !n.StartsWith("visual.", StringComparison.Ordinal)),
            Count(n => n.Contains(".experts.", StringComparison.Ordinal)),
            Count(n => n.EndsWith(".gate.weight", StringComparison.Ordinal)));
        var types = file.Tensors.GroupBy(t => t.Type).OrderBy(g => g.Key).ToDictionary(g => g.Key, g => g.Sum(t => t.Count));
        var config = CheckpointConfig.IsClip(file) ? CheckpointConfig.Infer(file) : null;
        var topKIsAssumed = config?.Moe is not null && !CheckpointConfig.SaysTopK(file);
        return new CheckpointSummary(config, topKIsAssumed, counts, types, CheckpointMetadata.Provenance(file));

        long Count(Func<string, bool> belongs) => parameters.Where(t => belongs(t.Name)).Sum(t => t.Count);
    }
}
