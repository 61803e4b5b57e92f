namespace ClipMoe.Model.Tensors;

/// <summary>Consecutive elements of a flat gradient.</summary>
public readonly record struct GradientRange(int Start, int Length)
{
    public int End => Start + Length;
}
