using ClipMoe.Model.Architecture;

namespace ClipMoe.Model.Checkpoints;

/// <summary>
/// Long-CLIP's stretch of the text positions (77 → 248), in the reference's <c>load_from_clip</c>: the first 20 rows stay, every later one
/// becomes four by linear interpolation, and the last is extrapolated. The model is in fp16 at that moment, so each operation rounds to
/// fp16.
/// </summary>
public static class PositionalStretch
{
    private const int Kept = ClipConfig.KeptPositions, Factor = 4;

    /// <summary>Positions after the stretch of <paramref name="length"/> positions.</summary>
    /// <exception cref="UserErrorException">There are too few positions to stretch.</exception>
    public static int StretchedLength(int length) => length > Kept
        ? Factor * length - (Factor - 1) * Kept
        : throw new UserErrorException(
        $"a text tower of {length} positions cannot be stretched: the first {Kept} are kept, and more are needed.");

    /// <param name="source">[length, width] row-major.</param>
    /// <param name="length">Positions of the source.</param>
    /// <returns>[<see cref="StretchedLength"/>, width]; all values are fp16 values.</returns>
    public static float[] Apply(ReadOnlySpan<float> source, int length)
    {
        var width = source.Length / length;
        var result = new float[StretchedLength(length) * width];
        for (var column = 0; column < width; column++)
        {
            for (var row = 0; row < Kept; row++) Set(row, column, At(source, row, column));
            for (var row = Kept; row < length - 1; row++)
            {
                Half a = At(source, row, column), b = At(source, row + 1, column);
                var to = Kept + Factor * (row - Kept);
                Set(to, column, a);
                for (var i = 1; i < Factor; i++) Set(to + i, column, (Half)(Factor - i) * a / (Half)Factor + (Half)i * b / (Half)Factor);
            }

            Half last = At(source, length - 1, column), step = last - At(source, length - 2, column);
            for (var i = 0; i < Factor; i++) Set(StretchedLength(length) - Factor + i, column, last + (Half)i * step / (Half)Factor);
        }

        return result;

        Half At(ReadOnlySpan<float> rows, int row, int column) => (Half)rows[row * width + column];
        void Set(int row, int column, Half value) => result[row * width + column] = (float)value;
    }
}
