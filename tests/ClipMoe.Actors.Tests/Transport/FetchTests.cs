using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Fetching;

namespace ClipMoe.Actors.Tests.Transport;

public sealed class FetchTests : IDisposable
{
    private static readonly TransportSettings Settings = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;
    private readonly List<IDisposable> _open = [];

    public void Dispose()
    {
        _open.ForEach(o => o.Dispose());
        Directory.Delete(_folder, recursive: true);
    }

    private BulkEndpoint Serve(string name, IBulkSource source)
    {
        var listener = new BulkListener("127.0.0.1", new IPEndPoint(IPAddress.Loopback, 0), Settings);
        var server = new BulkServer(listener);
        server.Serve(name, source);
        _open.AddRange([server, listener]);
        return listener.Endpoint;
    }

    private BulkClient Connect(BulkEndpoint endpoint)
    {
        var client = BulkClient.Connect(endpoint, Settings, Mesh.Patience);
        _open.Insert(0, client);
        return client;
    }

    private static byte[] Bytes(int length) => RandomNumberGenerator.GetBytes(length);

    [Fact]
    public void Ranges_of_any_size_arrive()
    {
        var bytes = Bytes(3_000_001);
        var client = Connect(Serve("state", new BytesSource(bytes)));
        foreach (var (offset, length) in new[] { (0, 0), (0, 1), (17, 262_144), (1, 3_000_000), (3_000_001, 0), (5, 600_000) })
        {
            var fetched = new byte[length];
            client.Fetch("state", "k", offset, fetched);
            Assert.Equal(bytes[offset..(offset + length)], fetched);
        }

        using var all = new MemoryStream();
        Assert.Equal(bytes.Length, client.Fetch(new BulkRange("state", "k"), all));
        Assert.Equal(bytes, all.ToArray());
    }

    [Fact]
    public void A_source_that_fails_says_why_and_the_connection_stays()
    {
        var bytes = Bytes(1_000_000);
        var broken = true;
        var endpoint = Serve("state", new BytesSource(bytes, offset =>
        {
            if (broken && offset > 0) throw new InvalidOperationException("the state was thrown away meanwhile");
        }));
        var client = Connect(endpoint);
        var failure = Assert.Throws<IOException>(() => client.Fetch("state", "step 7", 0, new byte[bytes.Length]));
        Assert.Equal($"{endpoint} can't serve state step 7: the state was thrown away meanwhile", failure.Message);

        broken = false;
        var fetched = new byte[bytes.Length];
        client.Fetch("state", "step 7", 0, fetched);
        Assert.Equal(bytes, fetched);
    }

    [Fact]
    public void What_is_not_there_is_refused_by_name()
    {
        var client = Connect(Serve("state", new BytesSource(Bytes(10))));
        Assert.Contains("nothing is served under the name file", Refusal("file", 0, 1));
        Assert.Contains("state k has 10 bytes, not 11 from 0 on", Refusal("state", 0, 11));
        Assert.Contains("state k has 10 bytes", Refusal("state", -1, 1));

        string Refusal(string source, long offset, int length) =>
            Assert.Throws<IOException>(() => client.Fetch(source, "k", offset, new byte[length])).Message;
    }

    [Fact]
    public void A_source_that_takes_long_can_be_cancelled()
    {
        using var reading = new ManualResetEventSlim();
        using var cancelled = new ManualResetEventSlim();
        using var cancellation = new CancellationTokenSource();
        var client = Connect(Serve("state", new BytesSource(Bytes(10), _ =>
        {
            reading.Set();
            cancelled.Wait();
        })));
        var failures = Mesh.Threads(2, i =>
        {
            if (i == 0)
            {
                client.Fetch("state", "k", 0, new byte[10], cancellation.Token);
                return;
            }

            reading.Wait();
            cancellation.Cancel();
        });
        // Not before: the source may be faster than the cancellation.
        cancelled.Set();
        Assert.IsType<OperationCanceledException>(failures[0]);
    }

    [Fact]
    public void Files_below_the_folder_are_served_and_no_others()
    {
        File.WriteAllText(Path.Combine(_folder, "secret"), "secret");
        var root = Directory.CreateDirectory(Path.Combine(_folder, "served")).FullName;
        Directory.CreateDirectory(Path.Combine(root, "stages"));
        var bytes = Bytes(500_000);
        File.WriteAllBytes(Path.Combine(root, "stages", "model"), bytes);
        File.CreateSymbolicLink(Path.Combine(root, "link"), Path.Combine(_folder, "secret"));
        Directory.CreateSymbolicLink(Path.Combine(root, "up"), _folder);
        var client = Connect(Serve("file", new FolderSource(root)));

        var target = Path.Combine(_folder, "copies", "model");
        client.FetchFile("file", "stages/model", Convert.ToHexString(SHA256.HashData(bytes)), target);
        Assert.Equal(bytes, File.ReadAllBytes(target));

        var other = Assert.Throws<OtherContentException>(() => client.FetchFile("file", "stages/model", new string('0', 64), target + "2"));
        Assert.Contains("is not the file that was meant", other.Message);
        Assert.Equal([target], Directory.GetFiles(Path.GetDirectoryName(target)!));

        foreach (var key in new[] { "../secret", "/etc/hostname", "link", "up/secret", "stages/../../secret" })
            Assert.Contains("is not a file below",
                Assert.Throws<IOException>(() => client.Fetch(new BulkRange("file", key), Stream.Null)).Message);
        var missing = Assert.Throws<IOException>(() => client.Fetch(new BulkRange("file", "stages/none"), Stream.Null));
        Assert.Contains("there is no file stages/none", missing.Message);
    }

    [Fact]
    public void Several_peers_give_chunks_and_one_that_fails_leaves_its_to_the_others()
    {
        var bytes = Bytes(5_000_003);
        var served = new ConcurrentDictionary<int, bool>();
        // One peer could be done before another has been reached.
        using var two = new ManualResetEventSlim();
        var endpoints = Enumerable.Range(0, 3).Select(peer => Serve("state", new BytesSource(bytes, offset =>
        {
            served[peer] = true;
            if (served.Count > 1) two.Set();
            two.Wait(Mesh.Patience);
            if (peer == 1 && offset > 0) throw new IOException("broken");
        }))).ToList();
        endpoints.Add(new BulkEndpoint("127.0.0.1", 1));

        var fetched = new byte[bytes.Length];
        ParallelFetch.Run(
            endpoints, "state", "k", bytes.Length, 100_000, Settings, Mesh.Patience,
            (offset, chunk) => chunk.CopyTo(fetched.AsSpan((int)offset)));
        Assert.Equal(bytes, fetched);
        Assert.True(served.Count > 1, "one peer served everything");
    }

    [Fact]
    public void When_no_peer_is_left_the_reason_is_told()
    {
        var endpoint = Serve("state", new BytesSource(Bytes(10), _ => throw new IOException("broken for good")));
        var failure = Assert.Throws<IOException>(() => ParallelFetch.Run([endpoint], "state", "k", 10, 4, Settings, Mesh.Patience,
            (_, _) => { }));
        Assert.Contains("could not be fetched whole from any of 1 peers", failure.Message);
        Assert.Contains("broken for good", failure.Message);
    }
}
