using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Akka.Cluster;
using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Hosting;

namespace ClipMoe.Actors.Tests.Hosting;

public sealed class MembershipTests
{
    [Fact]
    public async Task A_removed_node_whose_port_is_taken_rejoins_once_it_is_free()
    {
        var port = ReservedPorts.Next();
        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var address = new ClusterAddress("127.0.0.1", port, [$"127.0.0.1:{port}"], []);
        await using var member = new Membership(ClusterConfiguration.Setup(ClusterConfiguration.Create(address, tls: false), null),
            _ => { });
        var (said, log) = (new ConcurrentQueue<string>(), Channel.CreateUnbounded<string>());
        var run = member.Run(line =>
        {
            // Between the end of the old membership and the begin of the new one.
            if (line.StartsWith("removed from", StringComparison.Ordinal))
            {
                other.Bind(new IPEndPoint(IPAddress.Any, port));
                other.Listen();
            }
            said.Enqueue(line);
            log.Writer.TryWrite(line);
        });
        await Until("in the cluster.");
        var cluster = Cluster.Get(member.System);
        cluster.Down(cluster.SelfAddress);
        await Until("can't rejoin: Address already in use; retrying in 5 s.");
        other.Close();
        await Until("in the cluster.");
        await member.Leave();
        await run;

        async Task Until(string line)
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            try
            {
                while (await log.Reader.ReadAsync(patience.Token) != line)
                {
                    // The next one may be it.
                }
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"'{line}' was not said, but: {string.Join(" ", said)}");
            }
        }
    }
}
