using System.Net;
using System.Net.Sockets;
using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Tests.Transport;

public sealed class JoinTests
{
    [Fact]
    public void A_member_that_is_early_waits_for_the_others()
    {
        using var mesh = new Mesh(2, unix: true);
        using var firstIsThere = new ManualResetEventSlim();
        var failures = Mesh.Threads(2, rank =>
        {
            // Rank 1 connects to rank 0 before that has joined; rank 0 joins the generation before it first, so it is busy with another
            // one.
            if (rank == 0) firstIsThere.Wait();
            else firstIsThere.Set();
            var exchange = mesh.Exchanges[rank].Join(mesh.Generation(rank));
            exchange.Gather([StepData.Block(rank)]);
        });
        Assert.All(failures, Assert.Null);
    }

    [Fact]
    public void A_member_of_an_older_generation_is_told_that_it_is_over()
    {
        using var mesh = new Mesh(2, unix: true);
        mesh.Exchanges[0].Join(new ExchangeGeneration(Mesh.Stage, 2, 0, [mesh.Endpoints[0]]));
        var stale = Assert.Throws<ExchangeBrokenException>(() => mesh.Exchanges[1].Join(mesh.Generation(1, number: 1)));
        Assert.Equal((1, 0), (stale.Generation, stale.Peer));
        Assert.Contains("refused to connect: generation 1 of stage is over here", stale.What);
        Assert.Throws<OperationCanceledException>(() => mesh.Exchanges[0].Join(mesh.Generation(0, number: 1)));
    }

    [Fact]
    public void A_new_generation_ends_the_one_before_it()
    {
        using var mesh = new Mesh(2, unix: true);
        var failures = mesh.Failures((rank, exchange) =>
        {
            if (rank == 0) mesh.Exchanges[0].Join(new ExchangeGeneration(Mesh.Stage, 1, 0, [mesh.Endpoints[0]]));
            exchange.Gather([StepData.Block(rank)]);
        });
        Assert.IsType<OperationCanceledException>(failures[0]);
        Assert.Equal(0, Assert.IsType<ExchangeBrokenException>(failures[1]).Peer);
    }

    [Fact]
    public void Members_must_agree_on_the_list_of_members()
    {
        using var mesh = new Mesh(3, unix: true);
        var failures = Mesh.Threads(2, rank =>
        {
            var members = rank == 0 ? mesh.Endpoints : [.. mesh.Endpoints.Take(2)];
            mesh.Exchanges[rank].Join(new ExchangeGeneration(Mesh.Stage, 0, rank, members)
            {
                Patience =
                TimeSpan.FromSeconds(rank == 0 ? 2 : 60)
            });
        });
        Assert.Contains("has other members here", Assert.IsType<ExchangeBrokenException>(failures[1]).What);
        Assert.Contains("did not join within", Assert.IsType<ExchangeBrokenException>(failures[0]).What);
    }

    [Fact]
    public void A_member_that_cannot_be_reached_is_named()
    {
        using var mesh = new Mesh(1, unix: false);
        using var unused = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        unused.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var closed = new BulkEndpoint("127.0.0.1", ((IPEndPoint)unused.LocalEndPoint!).Port);
        var broken = Assert.Throws<ExchangeBrokenException>(
            () => mesh.Exchanges[0].Join(new ExchangeGeneration(Mesh.Stage, 0, 1, [closed, mesh.Endpoints[0]])));
        Assert.Equal(0, broken.Peer);
        Assert.Contains($"can't be reached at {closed}", broken.What);
    }

    [Fact]
    public void An_abort_ends_a_join_whose_peer_does_not_answer()
    {
        using var mesh = new Mesh(1, unix: false);
        using var mute = new TcpListener(IPAddress.Loopback, 0);
        mute.Start();
        var failures = Mesh.Threads(2, i =>
        {
            if (i == 0)
            {
                var endpoint = new BulkEndpoint("127.0.0.1", ((IPEndPoint)mute.LocalEndpoint).Port);
                mesh.Exchanges[0].Join(new ExchangeGeneration(Mesh.Stage, 0, 1, [endpoint, mesh.Endpoints[0]]));
            }
            else
            {
                using var connected = mute.AcceptSocket();
                mesh.Exchanges[0].Abort(Mesh.Stage, int.MaxValue);
            }
        });
        Assert.IsType<OperationCanceledException>(failures[0]);
        Assert.Null(failures[1]);
    }

    [Fact]
    public void A_peer_that_dies_is_reported_at_once_while_all_compute()
    {
        using var mesh = new Mesh(1, unix: true);
        using var listener = new BulkListener("127.0.0.1", new IPEndPoint(IPAddress.Loopback, 0), new TransportSettings());
        using var reported = new BlockingCell<ExchangeBrokenException>();
        mesh.Exchanges[0].Broken += reported.Set;
        var generation = new ExchangeGeneration(Mesh.Stage, 0, 0, [mesh.Endpoints[0], listener.Endpoint]) { Patience = Mesh.Patience };
        var failures = Mesh.Threads(2, i =>
        {
            if (i == 0)
            {
                var exchange = mesh.Exchanges[0].Join(generation);
                reported.Get();
                exchange.Gather([StepData.Block(0)]);
            }
            else
            {
                // A process that is killed closes its sockets and says nothing.
                var hello = new Hello(ConnectionPurpose.Exchange, Mesh.Stage, 0, From: 1, To: 0, generation.Terms);
                Connector.Connect(mesh.Endpoints[0], hello, new TransportSettings(), default).Dispose();
            }
        });
        Assert.Equal((1, "closed its stream"), (reported.Get().Peer, reported.Get().What));
        Assert.Same(reported.Get(), failures[0]);
    }

    [Fact]
    public void A_member_that_leaves_in_good_order_does_not_disturb_what_others_still_finish()
    {
        using var leaving = new ManualResetEventSlim();
        // Rank 2's last message to rank 0 comes only after rank 1, which has all it needs, is gone.
        using var mesh = new Mesh(3, unix: true, rank => new TransportSettings
        {
            Fault = rank != 2 ? null : site =>
            {
                if (site is { To: 0, Kind: FrameKind.LossBlocks }) leaving.Wait();
                return FaultAction.None;
            },
        });
        var broken = new List<ExchangeBrokenException>();
        mesh.Exchanges[0].Broken += broken.Add;
        var failures = mesh.Failures((rank, exchange) =>
        {
            Assert.Equal(3, exchange.Gather([StepData.Block(rank)]).Count);
            if (rank == 1)
            {
                mesh.Exchanges[1].Dispose();
                leaving.Set();
            }
        });
        Assert.All(failures, Assert.Null);
        Assert.Empty(broken);
    }

    private sealed class BlockingCell<T> : IDisposable
        where T : class
    {
        private readonly ManualResetEventSlim _set = new();
        private T? _value;

        public void Set(T value)
        {
            _value = value;
            _set.Set();
        }

        public T Get() => _set.Wait(Mesh.Patience) ? _value! : throw new TimeoutException("nothing was reported");

        public void Dispose() => _set.Dispose();
    }
}
