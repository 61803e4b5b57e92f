using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>A cluster with a certificate: nodes that have it train, others stay outside and are told why.</summary>
[Trait("Category", "Scenario")]
public sealed class TlsTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Nodes_with_the_certificate_come_to_the_same_weights_and_others_are_refused()
    {
        var certificate = Certificate("cluster");
        await using var cluster = new TestCluster { Tls = certificate };
        var coordinator = cluster.Start(coordinator: true, workers: 1);
        cluster.Start(coordinator: false, workers: 1);
        await cluster.UntilWorkers(2);
        cluster.Holds.Hold("base", 10);
        using var run = cluster.Submit();
        await cluster.Holds.Until("base", workers: 2);

        cluster.Tls = null;
        Assert.Contains("requires TLS and the cluster's certificate: give --tls.", await cluster.AskInVain("status"));
        await cluster.Start(coordinator: false, workers: 1)
            .UntilLogged($"can't connect: {coordinator.Address} requires TLS and the cluster's certificate");
        // The same in everything but the key.
        cluster.Tls = Certificate("other");
        Assert.Contains("has another certificate than this process", await cluster.AskInVain("status"));
        await cluster.Start(coordinator: false, workers: 1)
            .UntilLogged($"can't connect: {coordinator.Address} has another certificate than this process");

        cluster.Tls = certificate;
        await cluster.UntilWorkers(2);
        cluster.Holds.Release("base");
        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
        Assert.NotEmpty(Directory.GetFiles(cluster.Fetched, "report.html", SearchOption.AllDirectories));
    }

    /// <returns>Files of a self-signed certificate and its key, as <c>--tls</c> takes them.</returns>
    private string Certificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=clipmoe", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        var (certificateFile, keyFile) = (_folder.File($"{name}.crt.pem"), _folder.File($"{name}.key.pem"));
        File.WriteAllText(certificateFile, certificate.ExportCertificatePem());
        File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
        return $"{certificateFile},{keyFile}";
    }
}
