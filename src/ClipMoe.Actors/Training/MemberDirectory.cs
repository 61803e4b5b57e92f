using System.IO.Compression;
using System.Text.Json;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Training;

/// <summary>The members of a session's generations, as one worker was told of them.</summary>
public sealed class MemberDirectory
{
    private readonly Dictionary<int, BulkEndpoint> _endpoints = [];

    /// <summary>Adds workers that are introduced.</summary>
    /// <returns>The members of the generation, in rank order.</returns>
    /// <exception cref="KeyNotFoundException">One of them was never introduced.</exception>
    public IReadOnlyList<GenerationMember> MembersOf(OpenGeneration open)
    {
        foreach (var member in Unpack(open.Introduced)) _endpoints[member.Worker] = member.Endpoint;
        return [.. open.Members.SelectMany(r => Enumerable.Range(r.First, r.End - r.First))
            .Select(n => new GenerationMember(n, _endpoints[n]))];
    }

    /// <param name="workers">Ascending.</param>
    public static IReadOnlyList<WorkerRange> Ranges(IEnumerable<int> workers)
    {
        var ranges = new List<WorkerRange>();
        foreach (var worker in workers)
        {
            if (ranges is [.., var last] && last.End == worker) ranges[^1] = last with { End = worker + 1 };
            else ranges.Add(new WorkerRange(worker, worker + 1));
        }
        return ranges;
    }

    /// <summary>Makes of members what many receivers are sent alike: addresses have much in common, and are worth writing once.</summary>
    public static byte[] Pack(IReadOnlyCollection<GenerationMember> members)
    {
        if (members.Count == 0) return [];
        using var packed = new MemoryStream();
        using (var brotli = new BrotliStream(packed, CompressionLevel.Optimal)) JsonSerializer.Serialize(brotli, members);
        return packed.ToArray();
    }

    private static IReadOnlyList<GenerationMember> Unpack(byte[] packed)
    {
        if (packed.Length == 0) return [];
        using var brotli = new BrotliStream(new MemoryStream(packed), CompressionMode.Decompress);
        return JsonSerializer.Deserialize<IReadOnlyList<GenerationMember>>(brotli)!;
    }
}
