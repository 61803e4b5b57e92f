using System.CommandLine;
using ClipMoe.Actors.Hosting;
using ClipMoe.Model;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Cluster;

/// <summary><c>--cluster</c> of the commands that talk to a cluster from outside.</summary>
internal static class ClusterOption
{
    public static Option<string> Create() => new("--cluster")
    {
        Description = "Nodes of the cluster; the first one that answers is used.",
        HelpName = "HOST:PORT,…",
        Required = true,
    };

    /// <param name="tls">What <see cref="TlsOption"/> was given.</param>
    /// <exception cref="Model.UserErrorException">An entry is no host and port, or the certificate can't be used.</exception>
    public static ClusterClient Connect(string nodes, string? tls)
    {
        var list = nodes.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        foreach (var node in list) SeedNodes.Parse(node);
        return new ClusterClient(list, TlsOption.Transport(tls));
    }
}
