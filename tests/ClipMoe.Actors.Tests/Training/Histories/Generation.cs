using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Tests.Training.Histories;

/// <summary>What the members of a generation exchange.</summary>
/// <param name="first">Its first step.</param>
/// <param name="members">By number.</param>
internal sealed class Generation(int number, int first, IReadOnlyList<int> members)
{
    private readonly Dictionary<int, LeafRange> _leaves = [];
    private readonly Dictionary<int, ulong> _gradients = [];

    public int Number { get; } = number;

    public int First { get; } = first;

    /// <summary>Its next step to be committed.</summary>
    public int Next { get; private set; } = first;

    public IReadOnlyList<int> Members { get; } = members;

    /// <summary>What one member could not exchange, no other can.</summary>
    public bool Broke { get; set; }

    public void Told(int member, LeafRange leaves) => _leaves[member] = leaves;

    /// <summary>The members' leaves, each once and in rank order.</summary>
    public bool Covers(int leaves) => Members.SelectMany(m => Enumerable.Range(_leaves[m].First, _leaves[m].End - _leaves[m].First))
        .SequenceEqual(Enumerable.Range(0, leaves));

    public LeafRange LeavesOf(int member) => _leaves[member];

    public bool Met(int step) => _gradients.ContainsKey(step);

    public ulong GradientOf(int step) => _gradients[step];

    /// <summary>All members are at the same step: their leaves' shares are summed.</summary>
    public void Meet(int step, Func<int, ulong> weightsOf) => _gradients[step] = Arithmetic.Gradient(
        step, Members.SelectMany(m => Enumerable.Repeat(weightsOf(m), _leaves[m].End - _leaves[m].First)));

    /// <summary>A member is told that a step is committed; all are told of each.</summary>
    /// <returns>False: another step was to come, or not all have computed this one.</returns>
    public bool Commit(int step)
    {
        if (step == Next - 1 && step >= First) return true;
        if (step != Next || !Met(step)) return false;
        Next++;
        return true;
    }
}
