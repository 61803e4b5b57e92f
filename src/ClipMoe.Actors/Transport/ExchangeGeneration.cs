using System.IO.Hashing;
using System.Text;

namespace ClipMoe.Actors.Transport;

/// <summary>One member's view of a generation: a list of workers that take steps together.</summary>
/// <param name="Stage">Unique among everything that the processes ever train together, so with the experiment's identity in it where they
/// serve several.</param>
/// <param name="Number">Grows from one generation of a stage to the next; a number that was used once never comes again.</param>
/// <param name="Rank">The member's own place in <paramref name="Members"/>.</param>
/// <param name="Members">Everybody, in rank order; the same list for all.</param>
public sealed record ExchangeGeneration(string Stage, int Number, int Rank, IReadOnlyList<BulkEndpoint> Members)
{
    public int World => Members.Count;

    /// <summary>How gradients travel; the same for all members.</summary>
    public GradientFormat Gradients { get; init; } = GradientFormat.Fp32;

    /// <summary>
    /// How long a member that is waited for may say nothing before the generation counts as broken. It must exceed the time by which one
    /// member's computing can be behind another's: a member that computes is silent.
    /// </summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Hash of what all members must agree on.</summary>
    internal ulong Terms => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes($"{Gradients} {string.Join(' ', Members)}"));

    public override string ToString() => $"generation {Number} of {Stage}";
}

/// <summary>Number format of gradients between workers.</summary>
public enum GradientFormat
{
    /// <summary>Exact: the sum has the same bits for any number of workers.</summary>
    Fp32,

    /// <summary>
    /// Half the bytes. Each member's subtree sums and the total are rounded to bfloat16 (nearest, ties to even); additions stay fp32. All
    /// members still get the same bits, and a repetition with the leaves dealt the same way does too; another dealing rounds other subtrees.
    /// </summary>
    Bf16,
}
