using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Event;
using Akka.Remote.Transport.DotNetty;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Hosting;

/// <summary>Where a process of a cluster listens, and which nodes it joins through.</summary>
/// <param name="Host">Name or address by which the others reach it.</param>
/// <param name="Port">0: any that is free.</param>
/// <param name="Seeds">host:port of nodes that are there already, or will be; the first one founds the cluster.</param>
public sealed record ClusterAddress(string Host, int Port, IReadOnlyList<string> Seeds, IReadOnlyList<string> Roles)
{
    private string Own => $"{Host}:{Port}";

    /// <summary>Whether this is the first of several seeds, which <see cref="FirstSeed"/> has found the cluster.</summary>
    internal bool IsFirstOfSeveral => Seeds.Count > 1 && Seeds[0] == Own;

    /// <summary>The seeds that Akka is told of. A first one that is not among them never founds a cluster on its own.</summary>
    internal IEnumerable<string> SeedsForAkka => IsFirstOfSeveral ? OtherSeeds : Seeds;

    internal IReadOnlyList<string> OtherSeeds => [.. Seeds.Where(s => s != Own)];

    public const string System = "clipmoe";

    public const string Coordinator = "coordinator", Node = "node", Worker = "worker";

    /// <summary>Splits host:port.</summary>
    /// <returns>Null: it is something else.</returns>
    public static (string Host, int Port)? Split(string node)
    {
        var colon = node.LastIndexOf(':');
        return colon > 0 && int.TryParse(node[(colon + 1)..], out var port) && port is >= 0 and <= 65535 ? (node[..colon], port) : null;
    }

    /// <summary>host:port of an actor system.</summary>
    internal static string NodeOf(Address address) => $"{address.Host}:{address.Port}";

    /// <summary>A node's actor system as Akka addresses it.</summary>
    /// <param name="node">host:port.</param>
    public static string Url(string node, bool tls) => $"akka.{(tls ? "ssl." : "")}tcp://{System}@{node}";
}

/// <summary>Akka configuration of a process of a cluster.</summary>
public static class ClusterConfiguration
{
    /// <summary>
    /// Failure detection that was measured on small clusters (a killed process is removed after 11 s, with Akka's defaults after 27 s),
    /// heartbeats on threads of their own, a closed list of messages. Coordinators decide which side survives a partition: the side with
    /// most of them.
    /// </summary>
    public static Config Create(ClusterAddress address, bool tls = false) => ConfigurationFactory.ParseString($$"""
        akka {
          loglevel = WARNING
          loggers = ["{{typeof(StandardErrorLogger).AssemblyQualifiedName}}"]
          stdout-loglevel = OFF
          log-dead-letters = off
          coordinated-shutdown.run-by-clr-shutdown-hook = off
          coordinated-shutdown.exit-clr = off
          actor {
            provider = cluster
            serializers {
              json = "{{typeof(RefusingSerializer).AssemblyQualifiedName}}"
              clipmoe = "{{typeof(MessageSerializer).AssemblyQualifiedName}}"
            }
            serialization-bindings {
              "System.Object" = json
              {{string.Join("\n      ", MessageSerializer.Messages.Select(t => $"\"{t.AssemblyQualifiedName}\" = clipmoe"))}}
            }
          }
          remote.log-remote-lifecycle-events = off
          # Longer than a pause that failure detection accepts it would be taken for one.
          remote.retry-gate-closed-for = 1s
          remote.dot-netty.tcp {
            hostname = "0.0.0.0"
            public-hostname = "{{address.Host}}"
            port = {{address.Port}}
            # On Unix .NET takes it for leave to share a port with another process, which then gets half of the connections.
            tcp-reuse-addr = off
            enable-ssl = {{(tls ? "on" : "off")}}
            maximum-frame-size = 16000000b
            send-buffer-size = 16000000b
            receive-buffer-size = 16000000b
          }
          cluster {
            seed-nodes = [{{string.Join(", ", address.SeedsForAkka.Select(s => $"\"{ClusterAddress.Url(s, tls)}\""))}}]
            roles = [{{string.Join(", ", address.Roles.Select(r => $"\"{r}\""))}}]
            seed-node-timeout = 1s
            retry-unsuccessful-join-after = 1s
            gossip-interval = 500ms
            leader-actions-interval = 500ms
            unreachable-nodes-reaper-interval = 500ms
            min-nr-of-members = 1
            failure-detector {
              heartbeat-interval = 500ms
              acceptable-heartbeat-pause = 4s
              threshold = 10.0
            }
            downing-provider-class = "Akka.Cluster.SBR.SplitBrainResolverProvider, Akka.Cluster"
            split-brain-resolver {
              active-strategy = keep-majority
              stable-after = 4s
              # Workers may come and go for as long as they like: coordinators are counted.
              # Akka would remove all members after 9 s of it.
              down-all-when-unstable = off
              keep-majority.role = "{{ClusterAddress.Coordinator}}"
            }
            singleton.hand-over-retry-interval = 500ms
            singleton-proxy.log-singleton-identification-failure = off
          }
        }
        """);

    /// <summary>
    /// What an actor system is started with. With a certificate remoting speaks TLS both ways, and each end of a connection
    /// must show that certificate.
    /// </summary>
    public static ActorSystemSetup Setup(Config configuration, ClusterCertificate? certificate)
    {
        var setup = BootstrapSetup.Create().WithConfig(configuration);
        return certificate is null
            ? ActorSystemSetup.Create(setup)
            : setup.And(new DotNettySslSetup(
                certificate.Certificate, suppressValidation: false, requireMutualAuthentication: true,
                customValidator: (shown, _, peer, _, log) =>
                {
                    if (certificate.Is(shown)) return true;
                    log.Warning("Refused a connection with {0}: its certificate is not the cluster's", peer);
                    return false;
                }));
    }
}
