using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace ClipMoe.Cluster.Tests;

/// <summary>
/// Hosts on this machine: network namespaces, each with a link of its own to a bridge that this process is on too. A link that is taken
/// down loses what is sent without an error, as a pulled cable does.
/// </summary>
internal sealed class VirtualNetwork : IDisposable
{
    private static readonly Lazy<string?> Tried = new(Try);

    private readonly string _name = $"cm{Environment.ProcessId}";
    private readonly int _hosts;

    private VirtualNetwork(int hosts) => _hosts = hosts;

    /// <summary>Why there can be none here; null when there can.</summary>
    public static string? Lack => Tried.Value;

    /// <summary>The address of this process.</summary>
    public string OwnAddress => Address(1);

    /// <exception cref="InvalidOperationException">The system refused; nothing is left behind.</exception>
    public static VirtualNetwork Create(int hosts)
    {
        var network = new VirtualNetwork(hosts);
        try
        {
            network.Build();
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    public string AddressOf(int host) => Address(11 + host);

    /// <summary>Starts a program on a host; the process is the program's.</summary>
    public ProcessStartInfo On(int host, string program, IEnumerable<string> arguments) =>
        new("ip", ["netns", "exec", Host(host), program, .. arguments]);

    /// <summary>
    /// Has the kernel break all connections of a host that have one of these TCP ports at either end; the processes are not asked.
    /// </summary>
    /// <returns>How many sockets it closed; none where the kernel was built without that (CONFIG_INET_DIAG_DESTROY).</returns>
    public int CloseSockets(int host, IReadOnlyCollection<int> ports) =>
        CloseSockets((program, arguments) => On(host, program, arguments), ports);

    public static int CloseSockets(Func<string, IEnumerable<string>, ProcessStartInfo> onHost, IReadOnlyCollection<int> ports)
    {
        var filter = string.Join(" or ", ports.Select(p => $"sport = :{p} or dport = :{p}"));
        var start = onHost("ss", ["--kill", "--tcp", "--no-header", "state", "established", $"( {filter} )"]);
        start.RedirectStandardOutput = true;
        using var ss = Process.Start(start)!;
        // It tells of those only that were closed.
        var closed = ss.StandardOutput.ReadToEnd();
        ss.WaitForExit();
        return closed.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length;
    }

    public void TakeDown(int host) => Ip("link", "set", Host(host), "down");

    public void BringUp(int host) => Ip("link", "set", Host(host), "up");

    /// <summary>After the processes on the hosts have ended.</summary>
    public void Dispose()
    {
        // Of a network that was not built to its end some of this is not there.
        for (var host = 0; host < _hosts; host++)
        {
            SystemProgram.Run("ip", "link", "delete", Host(host));
            SystemProgram.Run("ip", "netns", "delete", Host(host));
        }
        SystemProgram.Run("ip", "link", "delete", _name);
    }

    private string Host(int host) => $"{_name}-{host}";

    /// <summary>In a network that differs from that of another test process.</summary>
    private static string Address(int number) => $"10.{200 + Environment.ProcessId / 250 % 50}.{Environment.ProcessId % 250}.{number}";

    private void Build()
    {
        Ip("link", "add", _name, "type", "bridge");
        Ip("address", "add", $"{OwnAddress}/24", "dev", _name);
        Ip("link", "set", _name, "up");
        for (var host = 0; host < _hosts; host++)
        {
            var name = Host(host);
            Ip("netns", "add", name);
            Ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name);
            Ip("link", "set", name, "master", _name, "up");
            Ip("-netns", name, "address", "add", $"{AddressOf(host)}/24", "dev", "eth0");
            Ip("-netns", name, "link", "set", "eth0", "up");
            Ip("-netns", name, "link", "set", "lo", "up");
        }
    }

    private static string? Try()
    {
        try
        {
            using var network = Create(1);
            return null;
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return $"network namespaces can't be made here (root and iproute2 are needed): {e.Message}";
        }
    }

    private static void Ip(params string[] arguments)
    {
        if (SystemProgram.Run("ip", arguments) is { } error)
            throw new InvalidOperationException($"ip {string.Join(' ', arguments)}: {error}");
    }
}

/// <summary>
/// A test with a network of its own; skipped, visibly, where none can be made, except on a build server (<c>CI=true</c>).
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class NetworkFactAttribute : FactAttribute
{
    public NetworkFactAttribute()
    {
        if (Environment.GetEnvironmentVariable("CI") != "true") Skip = VirtualNetwork.Lack;
    }
}

/// <summary>As <see cref="NetworkFactAttribute"/>, and the kernel must be able to close sockets that others have open.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SocketFactAttribute : FactAttribute
{
    private static readonly Lazy<string?> Lack = new(Try);

    public SocketFactAttribute()
    {
        if (Environment.GetEnvironmentVariable("CI") != "true") Skip = Lack.Value;
    }

    private static string? Try()
    {
        if (VirtualNetwork.Lack is { } lack) return lack;
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        using var peer = new TcpClient();
        peer.Connect(IPAddress.Loopback, port);
        return VirtualNetwork.CloseSockets((program, arguments) => new ProcessStartInfo(program, arguments), [port]) > 0
            ? null
            : "this kernel can't close sockets of others (it needs CONFIG_INET_DIAG_DESTROY)";
    }
}

/// <summary>Scenarios with a network of their own take turns: its name and its addresses are this process's.</summary>
[CollectionDefinition(Name)]
public sealed class NetworkCollection
{
    public const string Name = "network";
}
