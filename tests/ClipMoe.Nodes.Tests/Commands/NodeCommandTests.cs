using System.Net;
using System.Net.Sockets;
using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Tests.Commands;

public sealed class NodeCommandTests
{
    [Fact]
    public void A_port_on_which_another_node_listens_is_refused_also_when_that_one_would_share_it()
    {
        using var folder = new TemporaryFolder();
        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        other.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        other.Bind(new IPEndPoint(IPAddress.Any, 0));
        other.Listen();
        var port = ((IPEndPoint)other.LocalEndPoint!).Port;
        var outcome = Cli.Run("node", "--listen", $"127.0.0.1:{port}", "--roles", "coordinator", "--out", folder.Path);
        Assert.True(outcome.ExitCode == ExitCodes.WrongInput, outcome.Output + outcome.Error);
        Assert.Contains($"Port {port} of this machine is in use", outcome.Error);
    }
}
