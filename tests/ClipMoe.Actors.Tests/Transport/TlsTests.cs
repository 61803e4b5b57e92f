using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Actors.Tests.Transport;

public sealed class TlsTests
{
    private static ClusterCertificate Certificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var made = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return new ClusterCertificate(X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null,
            X509KeyStorageFlags.Exportable));
    }

    [Fact]
    public void Members_with_the_clusters_certificate_exchange_as_without()
    {
        using var certificate = Certificate("cluster");
        using var mesh = new Mesh(2, unix: false, _ => new TransportSettings { Certificate = certificate });
        var (tree, length) = (new ReductionTree(2), 9 * GradientChunks.Size + 1);
        var sums = mesh.Run((rank, exchange) =>
        {
            Assert.Equal(2, exchange.Gather([StepData.Features(rank, moe: true)]).Count);
            var sum = new float[length];
            exchange.Reduce(tree, StepData.Subtrees(tree, rank, rank + 1, length), sum);
            return StepData.Digest(sum);
        });
        Assert.All(sums, s => Assert.Equal(StepData.Digest(StepData.Subtrees(tree, 0, 2, length).Single().Gradient.Span), s));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Another_certificate_or_none_is_refused(bool withCertificate)
    {
        using var certificate = Certificate("cluster");
        // The same in everything but the key.
        using var stranger = Certificate("cluster");
        using var log = new BlockingCollection<string>();
        using var mesh = new Mesh(2, unix: false, rank => rank == 0
            ? new TransportSettings { Certificate = certificate, HelloDeadline = TimeSpan.FromSeconds(1), Log = log.Add }
            : new TransportSettings { Certificate = withCertificate ? stranger : null });
        // The one with the wrong certificate may notice only when it reads, which its join does.
        var broken = Assert.Throws<ExchangeBrokenException>(() => mesh.Exchanges[1].Join(mesh.Generation(1)));
        Assert.Equal(0, broken.Peer);
        Assert.True(log.TryTake(out var line, Mesh.Patience));
        Assert.Contains("was dropped", line);
    }

    [Fact]
    public void On_one_host_a_process_without_the_certificate_is_refused_too()
    {
        using var certificate = Certificate("cluster");
        using var mesh = new Mesh(2, unix: true, rank => new TransportSettings { Certificate = rank == 0 ? certificate : null });
        Assert.Throws<ExchangeBrokenException>(() => mesh.Exchanges[1].Join(mesh.Generation(1)));
    }
}
