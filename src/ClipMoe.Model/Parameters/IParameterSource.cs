using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Parameters;

/// <summary>Somewhere that the values of parameters can be read from, by state-dict name.</summary>
public interface IParameterSource
{
    /// <summary>Elements from <paramref name="offset"/> on, row-major, until the destination is full.</summary>
    void Read(string name, Span<float> destination, long offset = 0);
}

/// <summary>A checkpoint file as the source of a model's parameters.</summary>
public sealed class CheckpointSource : IParameterSource
{
    private readonly ITensorFile _file;
    private readonly bool _roundToHalf;
    private readonly float[]? _stretched;

    /// <param name="config">
    /// The architecture wanted. Where it has the Long-CLIP stretch and the file does not, the file's text positions are stretched; the
    /// result is cut to <see cref="ClipConfig.ContextLength"/>.
    /// </param>
    /// <param name="roundToHalf">Rounds to fp16 what the reference rounds at every load.</param>
    /// <exception cref="UserErrorException">The file holds another architecture.</exception>
    public CheckpointSource(ITensorFile file, ClipConfig config, bool roundToHalf = false)
    {
        (_file, _roundToHalf) = (file, roundToHalf);
        if (config.StretchedPositions && !file.TryGet("positional_embedding_res", out _))
        {
            var length = (int)file.Get("positional_embedding").Shape[0];
            var most = PositionalStretch.StretchedLength(length);
            if (most < config.ContextLength)
            {
                throw new UserErrorException(
                    $"the {length} text positions of {file.Path} stretch to {most}, not to {config.ContextLength}: ask for fewer.");
            }

            _stretched = PositionalStretch.Apply(file.ReadFloats("positional_embedding"), length);
        }

        foreach (var spec in ParameterNames.ForConfig(config))
        {
            if (_stretched is not null && IsTextPosition(spec.Name)) continue;
            var found = file.Get(spec.Name);
            if (found.Shape.SequenceEqual(spec.Shape)) continue;
            var needed = string.Join(", ", spec.Shape);
            throw new UserErrorException($"{spec.Name} in {file.Path} has the shape {found.ShapeText}, but this model needs [{needed}].");
        }
    }

    /// <summary>The architecture after the Long-CLIP stretch of its text positions; as it is where it has been stretched.</summary>
    public static ClipConfig Stretched(ClipConfig config) => config.StretchedPositions
        ? config
        : config with { StretchedPositions = true, ContextLength = PositionalStretch.StretchedLength(config.ContextLength) };

    public void Read(string name, Span<float> destination, long offset = 0)
    {
        if (_stretched is not null && IsTextPosition(name)) _stretched.AsSpan((int)offset, destination.Length).CopyTo(destination);
        else _file.ReadFloats(name, destination, offset);
        if (_roundToHalf && HalfRounding.Applies(name)) TensorConversion.RoundToHalf(destination);
    }

    private static bool IsTextPosition(string name) => name is "positional_embedding" or "positional_embedding_res";
}
