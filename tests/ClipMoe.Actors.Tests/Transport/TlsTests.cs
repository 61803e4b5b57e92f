using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Reduction;

namespace ClipMoe.Actors.Tests.Transport;

public sealed class TlsTests
{
    private static X509Certificate2 Certificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var made = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
    }

    [Fact]
    public void Members_with_pinned_certificates_exchange_as_without()
    {
        using var one = Certificate("one");
        using var two = Certificate("two");
        using var mesh = new Mesh(2, unix: false, rank => new TransportSettings
        {
            Certificate = rank == 0 ? one : two,
            PinnedThumbprints = [one.Thumbprint, two.Thumbprint],
            Secret = "secret",
        });
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
    public void A_certificate_that_is_not_pinned_or_none_is_refused(bool withCertificate)
    {
        using var pinned = Certificate("pinned");
        using var stranger = Certificate("stranger");
        using var log = new BlockingCollection<string>();
        using var mesh = new Mesh(2, unix: false, rank => rank == 0
            ? new TransportSettings { Certificate = pinned, HelloDeadline = TimeSpan.FromSeconds(1), Log = log.Add }
            : new TransportSettings { Certificate = withCertificate ? stranger : null, PinnedThumbprints = [pinned.Thumbprint] });
        // The one with the wrong certificate may notice only when it reads, which its join does.
        var broken = Assert.Throws<ExchangeBrokenException>(() => mesh.Exchanges[1].Join(mesh.Generation(1)));
        Assert.Equal(0, broken.Peer);
        Assert.True(log.TryTake(out var line, Mesh.Patience));
        Assert.Contains("was dropped", line);
    }
}
