namespace ClipMoe.Model.Clip;

/// <summary>
/// Token rows of a batch, cut behind the longest caption where allowed: attention is causal and features are taken at the end of the text,
/// so what stands behind it changes nothing.
/// </summary>
public sealed class TokenBatch
{
    private TokenBatch(int rows, int length, long[] ids, int[] ends)
    {
        Rows = rows;
        Length = length;
        Ids = ids;
        Ends = ends;
    }

    public int Rows { get; }

    /// <summary>Positions per row that are computed.</summary>
    public int Length { get; }

    /// <summary>[<see cref="Rows"/>, <see cref="Length"/>].</summary>
    public long[] Ids { get; }

    /// <summary>Position of the end-of-text token in each row: that of the highest id, as the reference's argmax.</summary>
    public int[] Ends { get; }

    /// <summary>[<see cref="Rows"/>·<see cref="Length"/>]: whether a position is not behind its row's end of text.</summary>
    public bool[] ValidTokens() => [.. Ends.SelectMany(end => Enumerable.Range(0, Length).Select(i => i <= end))];

    /// <param name="tokens">[rows, context], zero padded.</param>
    /// <param name="keepPadding">Whether all positions are to be computed, as a balance loss over padding needs.</param>
    public static TokenBatch Create(int rows, ReadOnlySpan<int> tokens, int context, bool keepPadding = false)
    {
        if (tokens.Length != (long)rows * context)
            throw new ArgumentException($"{rows} rows of {context} tokens are not {tokens.Length} ids");
        var ends = new int[rows];
        for (var r = 0; r < rows; r++)
        {
            var row = tokens.Slice(r * context, context);
            for (var i = 1; i < context; i++) if (row[i] > row[ends[r]]) ends[r] = i;
        }

        var length = keepPadding || rows == 0 ? context : ends.Max() + 1;
        var ids = new long[rows * length];
        for (var r = 0; r < rows; r++)
        {
            for (var i = 0; i < length; i++) ids[r * length + i] = tokens[r * context + i];
        }

        return new TokenBatch(rows, length, ids, ends);
    }
}
