using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Hosting;

/// <summary>
/// Finds out whether it is TLS that keeps this process out of a cluster. Remoting itself says only that a connection closed, and only to
/// its log.
/// </summary>
internal static class TlsProbe
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <param name="node">host:port of a node.</param>
    /// <param name="mine">Null: this process has no certificate.</param>
    /// <returns>One sentence; null when TLS is not the reason, or nothing listens there.</returns>
    public static async Task<string?> Complaint(string node, ClusterCertificate? mine)
    {
        using var patience = new CancellationTokenSource(Patience);
        using var client = new TcpClient();
        var (host, port) = ClusterAddress.Split(node) ?? throw new FormatException($"'{node}' is not host:port");
        try
        {
            await client.ConnectAsync(host, port, patience.Token);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            return null;
        }
        return (mine, await Shown(client, host, mine, patience.Token)) switch
        {
            (null, not null) => $"{node} requires TLS and the cluster's certificate: give --tls.",
            (not null, null) => $"{node} does not speak TLS: give all nodes the same --tls, or none.",
            (not null, false) => $"{node} has another certificate than this process: give all nodes the same --tls.",
            _ => null,
        };
    }

    /// <returns>Whether the peer shows the cluster's certificate; null when it shows none.</returns>
    private static async Task<bool?> Shown(TcpClient client, string host, ClusterCertificate? mine, CancellationToken cancellation)
    {
        bool? same = null;
        await using var tls = new SslStream(client.GetStream());
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = host,
                    ClientCertificates = mine is null ? [] : [mine.Certificate],
                    RemoteCertificateValidationCallback = (_, shown, _, _) =>
                    {
                        same = mine?.Is(shown) == true;
                        return true;
                    },
                },
                cancellation);
        }
        catch (Exception e) when (e is AuthenticationException or IOException or OperationCanceledException)
        {
            // What was shown before the peer closed is the answer.
        }
        return same;
    }
}
