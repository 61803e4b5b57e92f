using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Evaluation;

/// <summary>Encoded images or texts.</summary>
/// <param name="Values">[count, dimension] fp32, row-major; scale does not matter.</param>
/// <param name="Dimension">D, of the joint embedding.</param>
public sealed record Features(ReadOnlyMemory<float> Values, int Dimension)
{
    public int Count => Values.Length / Dimension;

    public ReadOnlySpan<float> this[int row] => Values.Span.Slice(row * Dimension, Dimension);

    /// <summary>Whether every value is a finite number; those of a model that has diverged are not.</summary>
    public bool AreFinite => System.Numerics.Tensors.TensorPrimitives.IsFiniteAll(Values.Span);

    /// <summary>[count] 1 / the length of each row; 0 for a row of zeros.</summary>
    /// <param name="what">What a row is, for the error message.</param>
    /// <exception cref="UserErrorException">A feature is not a finite number.</exception>
    internal float[] InverseNorms(string what)
    {
        if (Values.Length % Dimension != 0) throw new ArgumentException($"{Values.Length} values are no rows of {Dimension} dimensions");
        var inverse = new float[Count];
        for (var i = 0; i < inverse.Length; i++)
        {
            var squared = DotProducts.Dot(this[i], this[i]);
            if (!float.IsFinite(squared))
                throw new UserErrorException($"The features of {what} {i} are not finite numbers: the model that made them has diverged.");
            inverse[i] = squared == 0 ? 0 : 1 / MathF.Sqrt(squared);
        }

        return inverse;
    }
}
