using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using ClipMoe.Actors.Hosting;
using ClipMoe.Model;

namespace ClipMoe.Nodes.Cluster;

/// <summary>Finds the nodes that a new one joins through.</summary>
internal static partial class SeedNodes
{
    public const string SlurmVariable = "SLURM_JOB_NODELIST";

    private const int MostInRange = 100_000;

    /// <summary>
    /// host:port of each seed: as given, a DNS name with several addresses standing for all of them; else the first hosts of the Slurm
    /// job; else this node.
    /// </summary>
    /// <param name="given">From the command line; may be empty.</param>
    /// <param name="slurm">The job's node list in Slurm's notation; null outside a job.</param>
    /// <exception cref="UserErrorException">An entry is no host and port, or its name is not known.</exception>
    public static IReadOnlyList<string> Find(IReadOnlyList<string> given, string? slurm, string host, int port)
    {
        if (given.Count > 0) return [.. given.SelectMany(Resolve)];
        if (slurm is null) return [$"{host}:{port}"];
        return [.. ExpandSlurm(slurm).Take(3).Select(h => $"{h}:{port}")];
    }

    /// <summary><c>gpu[01-03,07],login</c> → gpu01, gpu02, gpu03, gpu07, login.</summary>
    /// <exception cref="UserErrorException">The list is malformed.</exception>
    public static IReadOnlyList<string> ExpandSlurm(string list)
    {
        var entries = Entry().Matches(list).Select(m => m.Value).ToList();
        if (entries.Count == 0 || string.Join(',', entries) != list)
            throw new UserErrorException($"'{list}' in {SlurmVariable} is no list of hosts: give --seeds.");
        return [.. entries.SelectMany(Hosts)];
    }

    /// <summary>Every combination of what the brackets of an entry stand for, the last bracket's changing fastest.</summary>
    private static IEnumerable<string> Hosts(string entry)
    {
        IEnumerable<string> hosts = [""];
        foreach (Match part in Part().Matches(entry))
        {
            IReadOnlyList<string> pieces = part.Groups["ranges"] is { Success: true, Value: var ranges }
                ? [.. ranges.Split(',').SelectMany(Numbers)] : [part.Value];
            hosts = hosts.SelectMany(host => pieces.Select(piece => host + piece));
        }
        return hosts;
    }

    /// <summary><c>08-10</c> → 08, 09, 10.</summary>
    private static IEnumerable<string> Numbers(string range)
    {
        var ends = range.Split('-');
        if (ends.Length > 2 || !int.TryParse(ends[0], out var first) || !int.TryParse(ends[^1], out var last) || last < first
            || last - first > MostInRange)
            throw new UserErrorException($"'{range}' in {SlurmVariable} is no range of hosts: give --seeds.");
        return Enumerable.Range(first, last - first + 1).Select(n => n.ToString().PadLeft(ends[0].Length, '0'));
    }

    /// <summary>Splits host:port.</summary>
    /// <exception cref="UserErrorException">It is something else.</exception>
    public static (string Host, int Port) Parse(string address) => ClusterAddress.Split(address)
        ?? throw new UserErrorException($"'{address}' is not HOST:PORT, for instance 10.0.0.7:4055.");

    private static IEnumerable<string> Resolve(string seed)
    {
        var (host, port) = Parse(seed);
        if (IPAddress.TryParse(host, out _)) return [seed];
        try
        {
            var addresses = Dns.GetHostAddresses(host, AddressFamily.InterNetwork);
            return addresses.Length > 1 ? addresses.Select(a => $"{a}:{port}").Order(StringComparer.Ordinal) : [seed];
        }
        catch (SocketException e)
        {
            throw new UserErrorException($"the seed {host} is not known to DNS ({e.Message}): check --seeds.", e);
        }
    }

    [GeneratedRegex(@"(?:[^,\[\]]|\[[^\[\]]*\])+")]
    private static partial Regex Entry();

    [GeneratedRegex(@"\[(?<ranges>[^\]]*)\]|[^\[\]]+")]
    private static partial Regex Part();
}
