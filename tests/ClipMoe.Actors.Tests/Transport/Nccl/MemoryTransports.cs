using System.Collections.Concurrent;
using ClipMoe.Actors.Transport.Nccl;

namespace ClipMoe.Actors.Tests.Transport.Nccl;

/// <summary>What the transports of several members in this process have in common.</summary>
internal sealed class TransportHub
{
    private int _groups;

    public ConcurrentDictionary<(string Group, int From, int To), ConcurrentQueue<byte[]>> Queues { get; } = [];

    public byte[] NewGroup() => BitConverter.GetBytes(Interlocked.Increment(ref _groups));

    /// <summary>Sent, and not received.</summary>
    public int Left => Queues.Values.Sum(q => q.Count);
}

/// <summary>A member's transports: they pass bytes from hand to hand.</summary>
internal sealed class MemoryTransports(TransportHub hub, NcclOffer offer) : INcclTransports
{
    public NcclOffer Offer => offer;

    /// <summary>May change what is sent, lose it (null), or fail.</summary>
    public Func<byte[], byte[]?> OnSend { get; set; } = b => b;

    public List<Transport> Made { get; } = [];

    public byte[] NewGroup() => hub.NewGroup();

    INcclTransport INcclTransports.Connect(byte[] group, int rank, int world, TimeSpan patience, Action throwIfOver) =>
        Connect(group, rank, throwIfOver);

    public Transport Connect(byte[] group, int rank, Action throwIfOver)
    {
        var transport = new Transport(hub, Convert.ToHexString(group), rank, b => OnSend(b), throwIfOver);
        Made.Add(transport);
        return transport;
    }

    internal sealed class Transport(TransportHub hub, string group, int rank, Func<byte[], byte[]?> onSend, Action throwIfOver)
        : INcclTransport
    {
        public string Group => group;

        public bool IsDisposed { get; private set; }

        /// <summary>Set while this member waits for another.</summary>
        public ManualResetEventSlim Waits { get; } = new();

        public void Carry(IReadOnlyList<Outgoing> sends, IReadOnlyList<Incoming> receives)
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            foreach (var send in sends)
                foreach (var to in send.To)
                    if (onSend(send.Bytes.ToArray()) is { } bytes)
                        Queue(rank, to).Enqueue(bytes);
            foreach (var receive in receives) Receive(receive);
        }

        public void Dispose() => IsDisposed = true;

        private void Receive(Incoming incoming)
        {
            byte[]? bytes;
            while (!Queue(incoming.From, rank).TryDequeue(out bytes))
            {
                Waits.Set();
                throwIfOver();
                Thread.Yield();
            }

            Assert.NotEmpty(bytes);
            Assert.Equal(incoming.Bytes.Length, bytes.Length);
            bytes.CopyTo(incoming.Bytes);
        }

        private ConcurrentQueue<byte[]> Queue(int from, int to) => hub.Queues.GetOrAdd((group, from, to), _ => new());
    }
}
