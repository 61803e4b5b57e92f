using System.Net;
using System.Security.Cryptography;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Fetching;
using ClipMoe.Actors.Workers;

namespace ClipMoe.Actors.Tests.Workers;

public sealed class PeerFilesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;
    private readonly List<IDisposable> _open = [];
    private readonly PeerFiles _files = new(new TransportSettings());

    public void Dispose()
    {
        _open.ForEach(o => o.Dispose());
        Directory.Delete(_folder, recursive: true);
    }

    private string Target => Path.Combine(_folder, "fetched");

    private BulkEndpoint Serve(string node, string content)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, node)).FullName;
        File.WriteAllText(Path.Combine(folder, "model"), content);
        var listener = new BulkListener("127.0.0.1", new IPEndPoint(IPAddress.Loopback, 0), new TransportSettings());
        var server = new BulkServer(listener);
        server.Serve(PeerFiles.Source, new FolderSource(folder));
        _open.AddRange([server, listener]);
        return listener.Endpoint;
    }

    private static string Sha256(string content) => Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(content)));

    [Fact]
    public void A_damaged_copy_is_passed_over()
    {
        _files.Servers = [Serve("a", "damaged"), Serve("b", "intact")];
        _files.Fetch("model", Sha256("intact"), Target);
        Assert.Equal("intact", File.ReadAllText(Target));
    }

    [Fact]
    public void Where_only_a_damaged_copy_is_left_another_is_not_waited_for()
    {
        _files.Servers = [Serve("a", "damaged")];
        var failure = Assert.Throws<IOException>(() => _files.Fetch("model", Sha256("intact"), Target));
        Assert.Contains("is not the file that was meant", failure.Message);
        Assert.False(File.Exists(Target));
    }

    [Fact]
    public async Task A_node_that_is_away_is_waited_for()
    {
        var fetching = Task.Run(() => _files.Fetch("model", Sha256("intact"), Target));
        _files.Servers = [Serve("a", "intact")];
        await fetching;
        Assert.Equal("intact", await File.ReadAllTextAsync(Target));
    }
}
