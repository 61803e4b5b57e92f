namespace ClipMoe.Model.Sampling;

/// <summary>
/// Which samples have which accumulated label (see <see cref="PseudoLabels"/>), as far as the order of an epoch asks. A cluster is an index
/// into <see cref="Labels"/>.
/// </summary>
public interface IClusterMembers
{
    /// <summary>k, the number of clusters per modality; a stage has k² joint clusters.</summary>
    int Clusters { get; }

    /// <summary>Stages accumulated so far.</summary>
    int Stages { get; }

    /// <summary>Number of samples.</summary>
    int Count { get; }

    /// <summary>The distinct accumulated labels that occur, ascending.</summary>
    IReadOnlyList<long> Labels { get; }

    /// <summary>Number of samples with each of <see cref="Labels"/>; never 0.</summary>
    IReadOnlyList<int> Sizes { get; }

    /// <summary>The sample at <paramref name="index"/> of a cluster's samples in ascending order.</summary>
    int Sample(int cluster, int index);
}
