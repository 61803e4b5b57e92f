using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Exchanges;
using ClipMoe.Actors.Transport.Nccl;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Actors.Tests.Transport.Nccl;

/// <summary>Streams or transports, and what becomes of transports when something goes wrong; real sockets, transports in memory.</summary>
public sealed class NcclExchangesTests : IDisposable
{
    private const int World = 3, Length = 20 * GradientChunks.Size;

    private static readonly ReductionTree Tree = new(World);

    private readonly Mesh _mesh = new(World, unix: true);
    private readonly TransportHub _hub = new();
    private readonly List<MemoryTransports> _transports = [];
    private readonly List<GenerationExchanges> _exchanges = [];
    private readonly List<string>[] _logs = [[], [], []];

    private void Offer(params NcclOffer[] offers)
    {
        foreach (var (rank, offer) in offers.Index())
        {
            _transports.Add(new MemoryTransports(_hub, offer));
            _exchanges.Add(new GenerationExchanges(_mesh.Exchanges[rank], _transports[rank], _logs[rank].Add));
        }
    }

    private void OfferAll() => Offer([.. Enumerable.Range(0, World).Select(r => new NcclOffer(null, 22703, $"gpu {r}"))]);

    private IStepExchange Join(int rank, int generation = 0) => _exchanges[rank].Join(_mesh.Generation(rank, generation));

    private static string Reduce(int rank, IStepExchange exchange)
    {
        var sum = new float[Length];
        exchange.Gather([StepData.Block(rank)]);
        exchange.Reduce(Tree, StepData.Subtrees(Tree, rank, rank + 1, Length), sum);
        return StepData.Digest(sum);
    }

    private static string Expected => StepData.Digest(StepData.Subtrees(Tree, 0, World, Length).Single().Gradient.Span);

    private void AssertReduces(int generation) =>
        Assert.All(Mesh.Threads(World, rank => Assert.Equal(Expected, Reduce(rank, Join(rank, generation)))), Assert.Null);

    private static void AssertBroken(Exception? failure, string what) =>
        Assert.Contains(what, Assert.IsType<ExchangeBrokenException>(failure).Message);

    [Fact]
    public void Members_that_all_can_use_NCCL_have_new_transports_in_every_generation()
    {
        OfferAll();
        AssertReduces(0);
        AssertReduces(1);
        Assert.All(_transports, c => Assert.Equal([true, false], c.Made.Select(m => m.IsDisposed)));
        Assert.Equal(2, _transports.SelectMany(c => c.Made).Select(m => m.Group).Distinct().Count());
        Assert.All(_logs, l => Assert.Equal(["gradients are exchanged over NCCL"], l));
        _exchanges.ForEach(e => e.Abort(Mesh.Stage, 1));
        Assert.All(_transports.SelectMany(c => c.Made), m => Assert.True(m.IsDisposed));
    }

    [Fact]
    public void One_that_cannot_has_all_use_streams_and_those_with_GPUs_say_why()
    {
        Offer(new NcclOffer(null, 22703, "a"), NcclOffer.Processor, NcclOffer.None("has no libnccl"));
        AssertReduces(0);
        Assert.All(_transports, c => Assert.Empty(c.Made));
        const string why = "gradients are exchanged over sockets, not NCCL: rank 1 computes on a processor";
        Assert.Equal<List<string>>([[why], [], [why]], _logs);
    }

    [Fact]
    public void A_wait_in_a_transport_ends_when_the_generation_is_aborted()
    {
        OfferAll();
        var failures = Mesh.Threads(World + 1, rank =>
        {
            if (rank == World)
            {
                // Not before all wait, for what is lost on its way.
                SpinWait.SpinUntil(() => _transports.TrueForAll(c => c.Made.Count == 1 && c.Made[0].Waits.IsSet));
                _exchanges.ForEach(e => e.Abort(Mesh.Stage, 0));
                return;
            }

            _transports[rank].OnSend = _ => null;
            Reduce(rank, Join(rank));
        });
        Assert.Null(failures[World]);
        Assert.All(failures[..World], f => Assert.True(f is OperationCanceledException or ExchangeBrokenException));
        Assert.Contains(failures, f => f is OperationCanceledException);
        Assert.All(_transports.SelectMany(c => c.Made), m => Assert.True(m.IsDisposed));
    }

    [Fact]
    public void A_member_that_dies_ends_the_wait_in_the_transports_of_the_others()
    {
        OfferAll();
        var failures = Mesh.Threads(World, rank =>
        {
            var exchange = Join(rank);
            if (rank != 1)
            {
                Reduce(rank, exchange);
                return;
            }

            _transports[1].OnSend = _ =>
            {
                _mesh.Exchanges[1].Dispose();
                throw new InvalidOperationException("dead");
            };
            Reduce(rank, exchange);
        });
        Assert.IsType<InvalidOperationException>(failures[1]);
        Assert.All(new[] { failures[0], failures[2] }, f => AssertBroken(f, "rank"));
    }

    [Fact]
    public void A_transport_that_fails_again_and_again_is_given_up_by_all()
    {
        OfferAll();
        _transports[2].OnSend = _ => throw new NcclTransportException("had ncclSend of NCCL fail with 2");
        for (var generation = 0; generation < 3; generation++)
        {
            var number = generation;
            var failures = Mesh.Threads(World, rank => Reduce(rank, Join(rank, number)));
            AssertBroken(failures[2], "rank 2 had ncclSend of NCCL fail with 2");
            Assert.All(failures, f => AssertBroken(f, "rank"));
        }

        AssertReduces(3);
        Assert.All(_transports, c => Assert.Equal(3, c.Made.Count));
        Assert.All(_logs, l => Assert.Contains(
            "rank 2 saw it fail 3 times without a success in between, the last time: had ncclSend of NCCL fail with 2", l.Last()));
    }

    public void Dispose()
    {
        _exchanges.ForEach(e => e.Dispose());
        _mesh.Dispose();
    }
}
