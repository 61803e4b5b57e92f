using ClipMoe.Actors.Files;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Actors.Transport.Fetching;
using ClipMoe.Model.Files;

namespace ClipMoe.Actors.Workers;

/// <summary>The output folders of all nodes, one after another, until one has the file.</summary>
public sealed class PeerFiles(TransportSettings settings)
{
    /// <summary>Name under which nodes serve their output folders.</summary>
    public const string Source = "file";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>
    /// A node that is started again is away for as long: what no node has is waited for after this process started or nodes changed.
    /// </summary>
    private static readonly TimeSpan Absence = TimeSpan.FromSeconds(60), LookAgainAfter = TimeSpan.FromSeconds(1);

    private readonly object _gate = new();
    private IReadOnlyList<BulkEndpoint> _servers = [];
    private long _absentUntil = After(Absence);

    /// <summary>Where to ask; changes while the cluster does.</summary>
    public IReadOnlyList<BulkEndpoint> Servers
    {
        get
        {
            lock (_gate) return _servers;
        }
        set
        {
            lock (_gate)
            {
                if (!_servers.SequenceEqual(value)) _absentUntil = After(Absence);
                _servers = value;
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <param name="experiment">Name of the experiment's folder in each node's output folder.</param>
    public IFileSource ForExperiment(string experiment) => new ExperimentFiles(this, experiment);

    /// <summary>Writes a file to <paramref name="path"/>, whole or not at all.</summary>
    /// <exception cref="FileWriteException">It can't be written.</exception>
    /// <exception cref="IOException">No server has it with this hash.</exception>
    public void Fetch(string key, string sha256, string path)
    {
        if (Find(client => client.FetchFile(Source, key, sha256, path)) is not { } reasons) return;
        throw new IOException(
            $"{key} is not in this node's output folder, and none of {Servers.Count} nodes has it: {string.Join("; ", reasons)}");
    }

    /// <summary>Whether a server has a file of this name.</summary>
    public bool Has(string key) => Find(client => client.Fetch(Source, key, 0, [])) is null;

    /// <summary>Tries one server after another, again and again while one that is away may come back.</summary>
    /// <returns>Null when one could serve it; otherwise why none could.</returns>
    private IReadOnlyList<string>? Find(Action<BulkClient> fetch)
    {
        var begun = After(TimeSpan.Zero);
        while (true)
        {
            var reasons = new List<string>();
            var (damaged, unreachable) = (false, false);
            foreach (var server in Servers)
            {
                var connected = false;
                try
                {
                    using var client = BulkClient.Connect(server, settings, Patience);
                    connected = true;
                    fetch(client);
                    return null;
                }
                catch (IOException e) when (e is not FileWriteException)
                {
                    reasons.Add(e.Message);
                    damaged |= e is OtherContentException;
                    unreachable |= !connected;
                }
            }
            lock (_gate)
            {
                var until = unreachable ? Math.Max(_absentUntil, begun + (long)Absence.TotalMilliseconds) : _absentUntil;
                // The node with the damaged copy was the one expected to have it.
                if (damaged || After(TimeSpan.Zero) >= until) return [.. reasons.Distinct()];
                Monitor.Wait(_gate, LookAgainAfter);
            }
        }
    }

    private static long After(TimeSpan time) => Environment.TickCount64 + (long)time.TotalMilliseconds;

    private sealed class ExperimentFiles(PeerFiles files, string experiment) : IFileSource
    {
        public void Fetch(WrittenFile file, string path) => files.Fetch($"{experiment}/{file.Path}", file.Sha256, path);

        public bool Has(WrittenFile file) => files.Has($"{experiment}/{file.Path}");
    }
}
