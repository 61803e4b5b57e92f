using ClipMoe.Model.Architecture;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Checkpoints;

/// <summary>What to change while a checkpoint is copied into another format.</summary>
/// <param name="Type">
/// Null keeps every type. F32 widens all floating-point tensors. F16 and BF16 narrow the weights that OpenAI publishes in fp16 (see
/// <see cref="HalfRounding"/>) and keep embeddings and LayerNorms in fp32.
/// </param>
/// <param name="Stretch">Stretches the text positions as Long-CLIP does.</param>
/// <param name="TopK">Experts per token, where the source does not say.</param>
public sealed record ConversionOptions(TensorType? Type = null, bool Stretch = false, int? TopK = null);

/// <summary>Copies a checkpoint into another format, tensor by tensor.</summary>
public static class CheckpointConversion
{
    private const int ChunkBytes = 1 << 22;

    private const string Positions = "positional_embedding", StretchedPositions = "positional_embedding_res";

    /// <summary>
    /// Sizes that OpenAI keeps among the tensors; the reference drops them at every load, and after a stretch they would be wrong.
    /// </summary>
    private static readonly string[] StoredSizes = ["input_resolution", "context_length", "vocab_size"];

    /// <summary>
    /// Writes <paramref name="source"/> to <paramref name="output"/>: in PyTorch's format for <c>.pt</c>, else as safetensors.
    /// </summary>
    /// <param name="source">Any tensor file; only a CLIP gets a config and can be stretched.</param>
    /// <param name="output">Replaced, when it exists, only by the whole new file.</param>
    /// <param name="options">What to change.</param>
    /// <param name="sourceSha256">Goes into the provenance of a CLIP that has none.</param>
    /// <exception cref="UserErrorException">The source is damaged, or the options do not fit it.</exception>
    public static void Convert(ITensorFile source, string output, ConversionOptions options, string? sourceSha256 = null)
    {
        var config = CheckpointConfig.IsClip(source) ? CheckpointConfig.Infer(source, options.TopK) : null;
        if (options.Stretch) config = Stretched(source, config);
        var tensors = source.Tensors.Where(t => !options.Stretch || !StoredSizes.Contains(t.Name)).SelectMany(t => Targets(t, options))
            .ToList();
        var provenance = CheckpointMetadata.Provenance(source) ?? new Provenance(sourceSha256);
        var metadata = config is null ? CheckpointMetadata.WithDataHash(source.Metadata) : CheckpointMetadata.Create(config, provenance);
        using var writer = TensorFile.Create(output, tensors, metadata);
        foreach (var tensor in tensors)
        {
            if (options.Stretch && tensor.Name is Positions or StretchedPositions) WriteStretched(source, writer, tensor);
            else Copy(source, writer, tensor);
        }

        writer.Commit();
    }

    private static ClipConfig Stretched(ITensorFile source, ClipConfig? config)
    {
        if (config is null) throw new UserErrorException($"{source.Path} holds no CLIP, so there are no text positions to stretch.");
        if (config.StretchedPositions) throw new UserErrorException(
            $"{source.Path} is stretched already, to {config.ContextLength} text positions.");
        return config with { ContextLength = PositionalStretch.StretchedLength(config.ContextLength), StretchedPositions = true };
    }

    /// <summary>The one tensor that becomes two is the text positions, when they are stretched.</summary>
    private static IEnumerable<TensorInfo> Targets(TensorInfo tensor, ConversionOptions options)
    {
        var type = tensor.Type.IsFloat() && options.Type is { } wanted && (wanted == TensorType.F32 || HalfRounding.Applies(tensor.Name))
            ? wanted
            : tensor.Type;
        if (!options.Stretch || tensor.Name != Positions) return [tensor with { Type = type }];
        long[] shape = [PositionalStretch.StretchedLength((int)tensor.Shape[0]), tensor.Shape[1]];
        return [new TensorInfo(Positions, type, shape), new TensorInfo(StretchedPositions, type, shape)];
    }

    private static void WriteStretched(ITensorFile source, TensorWriter writer, TensorInfo tensor) =>
        writer.WriteFloats(tensor.Name, PositionalStretch.Apply(source.ReadFloats(Positions), (int)source.Get(Positions).Shape[0]));

    private static void Copy(ITensorFile source, TensorWriter writer, TensorInfo tensor)
    {
        var same = source.Get(tensor.Name).Type == tensor.Type;
        var bytes = new byte[same ? Math.Min(tensor.ByteLength, ChunkBytes) : 0];
        var floats = new float[same ? 0 : Math.Min(tensor.Count, ChunkBytes / sizeof(float))];
        var total = same ? tensor.ByteLength : tensor.Count;
        for (var done = 0L; done < total;)
        {
            var count = (int)Math.Min(total - done, same ? bytes.Length : floats.Length);
            if (same)
            {
                source.Read(tensor.Name, bytes.AsSpan(0, count), done);
                writer.Write(tensor.Name, bytes.AsSpan(0, count));
            }
            else
            {
                source.ReadFloats(tensor.Name, floats.AsSpan(0, count), done);
                writer.WriteFloats(tensor.Name, floats.AsSpan(0, count));
            }

            done += count;
        }
    }
}
