using System.CommandLine;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model;

namespace ClipMoe.Nodes.CommandLine;

/// <summary>
/// <c>--tls</c> of nodes and of the commands that talk to them. The password comes from the environment, because every user of a machine
/// can read its command lines.
/// </summary>
internal static class TlsOption
{
    public const string Variable = "CLIPMOE_TLS", PasswordVariable = "CLIPMOE_TLS_PASSWORD";

    public static Option<string?> Create() => new("--tls")
    {
        Description = $"Certificate and private key, the same for all nodes and commands of a cluster: only processes that have them " +
        $"can connect, and " +
        $"all traffic between machines is encrypted. "
            + $"Default: {Variable}. {PasswordVariable} is the password of the file, if it has one.",
        HelpName = "CERT.pem,KEY.pem|CERT.pfx",
    };

    /// <summary>The files, as given or as the environment says; null: no TLS.</summary>
    public static string? Files(string? given) => given ?? Environment.GetEnvironmentVariable(Variable) switch
    {
        null or "" => null,
        var files => files,
    };

    /// <exception cref="Model.UserErrorException">The files can't be used.</exception>
    public static TransportSettings Transport(string? given) => new()
    {
        Certificate = Files(given) is { } files ? ClusterCertificate.Load(files, Environment.GetEnvironmentVariable(PasswordVariable))
        : null,
    };
}
