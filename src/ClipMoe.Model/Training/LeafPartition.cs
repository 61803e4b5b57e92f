namespace ClipMoe.Model.Training;

/// <summary>
/// How a global batch is cut into leaves and the leaves dealt to workers: contiguous runs whose sizes differ by at most one.
/// </summary>
public static class LeafPartition
{
    /// <summary>Rows [From, To) of a leaf in a batch of <paramref name="rows"/> rows cut into <paramref name="leaves"/> leaves.</summary>
    public static (int From, int To) Rows(int leaf, int rows, int leaves) => Range(leaf, rows, leaves);

    /// <summary>Leaves [From, To) of a worker in a world of <paramref name="workers"/>.</summary>
    public static (int From, int To) Leaves(int worker, int leaves, int workers) => Range(worker, leaves, workers);

    private static (int From, int To) Range(int part, int whole, int parts) =>
        ((int)((long)part * whole / parts), (int)((long)(part + 1) * whole / parts));
}
