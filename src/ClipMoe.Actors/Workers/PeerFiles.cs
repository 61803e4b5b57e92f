using ClipMoe.Actors.Data;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Fetching;

namespace ClipMoe.Actors.Workers;

/// <summary>The output folders of all nodes, one after another, until one has the file.</summary>
public sealed class PeerFiles(TransportSettings settings)
{
    /// <summary>Name under which nodes serve their output folders.</summary>
    public const string Source = "file";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private IReadOnlyList<BulkEndpoint> _servers = [];

    /// <summary>Where to ask; changes while the cluster does.</summary>
    public IReadOnlyList<BulkEndpoint> Servers
    {
        get => Volatile.Read(ref _servers);
        set => Volatile.Write(ref _servers, value);
    }

    /// <param name="experiment">Name of the experiment's folder in each node's output folder.</param>
    public IFileSource Of(string experiment) => new ExperimentFiles(this, experiment);

    /// <summary>Writes a file to <paramref name="path"/>, whole or not at all.</summary>
    /// <exception cref="IOException">No server has it with this hash.</exception>
    public void Fetch(string key, string sha256, string path)
    {
        var reasons = new List<string>();
        foreach (var server in Servers)
        {
            try
            {
                using var client = BulkClient.Connect(server, settings, Patience);
                client.FetchFile(Source, key, sha256, path);
                return;
            }
            catch (IOException e)
            {
                reasons.Add(e.Message);
            }
        }
        throw new IOException(
            $"{key} is not in this node's output folder, and none of {Servers.Count} nodes has it: {string.Join("; ", reasons.Distinct())}");
    }

    /// <summary>Whether a server has a file of this name.</summary>
    public bool Has(string key)
    {
        foreach (var server in Servers)
        {
            try
            {
                using var client = BulkClient.Connect(server, settings, Patience);
                client.Fetch(Source, key, 0, []);
                return true;
            }
            catch (IOException)
            {
                // Not there, or not to be reached: another one may have it.
            }
        }
        return false;
    }

    private sealed class ExperimentFiles(PeerFiles files, string experiment) : IFileSource
    {
        public void Fetch(WrittenFile file, string path) => files.Fetch($"{experiment}/{file.Path}", file.Sha256, path);

        public bool Has(WrittenFile file) => files.Has($"{experiment}/{file.Path}");
    }
}
