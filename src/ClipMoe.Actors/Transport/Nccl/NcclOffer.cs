using System.Text.Json;

namespace ClipMoe.Actors.Transport.Nccl;

/// <summary>What a member tells the others about its NCCL, at the beginning of a generation.</summary>
/// <param name="Lack">Why it can't use any, to be read after the member's name; null when it can.</param>
/// <param name="Version">As <c>ncclGetVersion</c> tells it, for instance 22703.</param>
/// <param name="Gpu">The physical GPU, unique in the world: parts of a divided one have the same.</param>
internal sealed record NcclOffer(string? Lack, int Version, string Gpu)
{
    public static NcclOffer Processor { get; } = None("computes on a processor");

    public static NcclOffer None(string lack) => new(lack, 0, "");

    public byte[] Encode() => JsonSerializer.SerializeToUtf8Bytes(this);

    /// <exception cref="InvalidDataException">These bytes are something else.</exception>
    public static NcclOffer Decode(byte[] bytes)
    {
        try
        {
            return JsonSerializer.Deserialize<NcclOffer>(bytes) ?? throw new InvalidDataException("a member offered nothing");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException("a member's offer has another form", e);
        }
    }

    /// <summary>Why the members of a generation do not use NCCL; null when they do. All have the same list, so all decide alike.</summary>
    /// <param name="offers">In rank order.</param>
    public static string? WhyNot(IReadOnlyList<NcclOffer> offers)
    {
        var gpus = new Dictionary<string, int>();
        for (var rank = 0; rank < offers.Count; rank++)
        {
            var offer = offers[rank];
            if (offer.Lack is { } lack) return $"rank {rank} {lack}";
            if (offer.Version != offers[0].Version) return $"rank 0 has version {offers[0].Version} of it, rank {rank} {offer.Version}";
            if (!gpus.TryAdd(offer.Gpu, rank)) return $"ranks {gpus[offer.Gpu]} and {rank} share a GPU";
        }

        return null;
    }
}
