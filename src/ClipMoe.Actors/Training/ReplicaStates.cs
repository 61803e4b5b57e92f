using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Fetching;
using ClipMoe.Model.Parameters;

namespace ClipMoe.Actors.Training;

/// <summary>
/// The replicas of this process, for workers that join or heal. A donor's state stands still while it is read: a step is committed only
/// after the copying member has reported its gradient. Should the generation break meanwhile, what was copied is found out by its hash.
/// </summary>
/// <param name="settings">How other processes are reached; null where all workers share this one.</param>
public sealed class ReplicaStates(TransportSettings? settings) : IBulkSource
{
    /// <summary>Name under which a process serves its replica.</summary>
    public const string Source = "state";

    private const int Chunk = 4 << 20;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly ConcurrentDictionary<(string Stage, int Worker), Replica> _replicas = new();

    /// <summary>What is to go wrong, in tests and drills.</summary>
    public FaultInjection Faults { get; init; } = FaultInjection.None;

    public void Offer(string stage, int worker, Replica replica) => _replicas[(stage, worker)] = replica;

    public void Withdraw(string stage, int worker) => _replicas.TryRemove((stage, worker), out _);

    /// <summary>
    /// Makes a replica's trained weights, moments and number of updates those of the donors, taking chunks from all of them at once.
    /// </summary>
    /// <param name="step">At which the donors stand.</param>
    /// <param name="donors">At least one; all in the same state.</param>
    /// <exception cref="IOException">No donor could serve it.</exception>
    public void Copy(string stage, int step, IReadOnlyList<GenerationMember> donors, Replica into, CancellationToken cancellation)
    {
        var target = new ReplicaBytes(into);
        if (donors.FirstOrDefault(d => d.Endpoint == BulkEndpoint.SameProcess) is { } neighbor)
        {
            var source = new ReplicaBytes(_replicas[(stage, neighbor.Worker)]);
            var chunk = new byte[(int)Math.Min(Chunk, source.Length)];
            for (var offset = 0L; offset < source.Length; offset += chunk.Length)
            {
                var part = chunk.AsSpan(0, (int)Math.Min(chunk.Length, source.Length - offset));
                source.Read(offset, part);
                target.Write(offset, part);
            }
            return;
        }
        ParallelFetch.Run(
            [.. donors.Select(d => d.Endpoint)], Source, stage, target.Length, Chunk,
            settings ?? throw new InvalidOperationException("a donor in another process, but no way to reach it"), Patience, Take,
            cancellation);

        void Take(long offset, ReadOnlySpan<byte> chunk)
        {
            target.Write(offset, chunk);
            Faults.Reach(stage, step, WorkPhase.Copy);
        }
    }

    public IBulkContent Open(string key)
    {
        if (_replicas.FirstOrDefault(r => r.Key.Stage == key).Value is not { } replica)
            throw new IOException($"there is no replica of {key} here");
        Faults.Reach(key, (int)replica.Updates, WorkPhase.Serve);
        return new ReplicaBytes(replica);
    }

    /// <summary>The number of updates (8 bytes), then the trained weights and both moments, as fp32.</summary>
    private sealed class ReplicaBytes(Replica replica) : IBulkContent
    {
        private const int Header = sizeof(long);

        private readonly long _trained = replica.Layout.TrainableLength;

        public long Length => Header + 3 * sizeof(float) * _trained;

        public void Read(long offset, Span<byte> destination)
        {
            var updates = BitConverter.GetBytes(replica.Updates).AsSpan();
            foreach (var (at, state, count) in Parts(offset, destination.Length))
            {
                if (state < 0) updates.CopyTo(destination);
                else replica.ReadState(state, MemoryMarshal.Cast<byte, float>(destination.Slice(at, count)));
            }
        }

        public void Write(long offset, ReadOnlySpan<byte> source)
        {
            foreach (var (at, state, count) in Parts(offset, source.Length))
            {
                if (state < 0) replica.WriteState(0, [], BitConverter.ToInt64(source));
                else replica.WriteState(state, MemoryMarshal.Cast<byte, float>(source.Slice(at, count)), replica.Updates);
            }
        }

        public void Dispose()
        {
        }

        /// <summary>
        /// Runs of bytes with the place of their floats in the replica's state; the header's is negative. Chunks begin and end between
        /// floats.
        /// </summary>
        private IEnumerable<(int At, long State, int Bytes)> Parts(long offset, int length)
        {
            var (at, end) = (offset, offset + length);
            if (at == 0)
            {
                yield return (0, -1, Header);
                at = Header;
            }
            while (at < end)
            {
                var value = (at - Header) / sizeof(float);
                // Weights, then what is not trained, which the copy leaves out, then the moments.
                var inWeights = value < _trained;
                var until = inWeights ? Math.Min(end, Header + sizeof(float) * _trained) : end;
                yield return ((int)(at - offset), inWeights ? value : value - _trained + replica.Layout.Length, (int)(until - at));
                at = until;
            }
        }
    }
}
