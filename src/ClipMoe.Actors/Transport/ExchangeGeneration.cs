using System.IO.Hashing;
using System.Text;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Transport;

/// <summary>One member's view of a generation: a list of workers that take steps together.</summary>
/// <param name="Stage">Unique among everything that the processes ever train together, so with the experiment's identity in it where they
/// serve several.</param>
/// <param name="Number">Grows from one generation of a stage to the next; a number that was used once never comes again.</param>
/// <param name="Rank">The member's own place in <paramref name="Members"/>.</param>
/// <param name="Members">All members in rank order; the same list for all.</param>
public sealed record ExchangeGeneration(string Stage, int Number, int Rank, IReadOnlyList<BulkEndpoint> Members)
{
    public int World => Members.Count;

    /// <summary>
    /// How long a member that is waited for may say nothing before the generation counts as broken. It must exceed the time by which one
    /// member's computing can be behind another's: a member that computes is silent.
    /// </summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Hash of what all members must agree on.</summary>
    internal ulong Terms => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(string.Join(' ', Members)));

    public override string ToString() => $"generation {Number} of {Stage}";
}
