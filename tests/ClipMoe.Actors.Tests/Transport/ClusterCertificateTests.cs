using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model;

namespace ClipMoe.Actors.Tests.Transport;

public sealed class ClusterCertificateTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_same_certificate_and_key_are_read_from_every_kind_of_file(bool rsa)
    {
        using var made = rsa ? Made(RSA.Create(2048)) : Made(ECDsa.Create(ECCurve.NamedCurves.nistP256));
        var (certificate, key) = (made.ExportCertificatePem(), KeyOf(made).ExportPkcs8PrivateKeyPem());
        var encrypted = KeyOf(made).ExportEncryptedPkcs8PrivateKeyPem("word", new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc,
            HashAlgorithmName.SHA256, 1000));
        List<ClusterCertificate> read =
        [
            ClusterCertificate.Load($"{Written("cert.pem", certificate)},{Written("key.pem", key)}", null),
            ClusterCertificate.Load(Written("both.pem", certificate + "\n" + key), null),
            ClusterCertificate.Load($"{Written("cert.pem", certificate)},{Written("encrypted.pem", encrypted)}", "word"),
            ClusterCertificate.Load(Written("plain.pfx", made.Export(X509ContentType.Pfx)), null),
            ClusterCertificate.Load(Written("with-word.p12", made.Export(X509ContentType.Pfx, "word")), "word"),
        ];
        Assert.All(read, r => Assert.True(r.Is(made)));
        Assert.Single(read.Select(r => r.Secret).Distinct());
        read.ForEach(r => r.Dispose());
    }

    [Fact]
    public void Another_certificate_with_the_same_names_is_another_one()
    {
        using var one = new ClusterCertificate(Made(ECDsa.Create(ECCurve.NamedCurves.nistP256)));
        using var other = new ClusterCertificate(Made(ECDsa.Create(ECCurve.NamedCurves.nistP256)));
        Assert.False(one.Is(other.Certificate));
        Assert.False(one.Is(null));
        Assert.NotEqual(one.Secret, other.Secret);
    }

    [Fact]
    public void What_can_not_be_used_is_said_in_a_sentence()
    {
        using var made = Made(ECDsa.Create(ECCurve.NamedCurves.nistP256));
        var lonely = Written("lonely.pem", made.ExportCertificatePem());
        var locked = Written("locked.pfx", made.Export(X509ContentType.Pfx, "word"));
        foreach (var (files, password) in ((string, string?)[])[("/not/there.pem", null), (lonely, null), (locked, "wrong"), (locked, null),
            ("a,b,c", null)])
            Assert.Contains(files, Assert.Throws<UserErrorException>(() => ClusterCertificate.Load(files, password)).Message);
        var withoutKey = X509CertificateLoader.LoadCertificate(made.RawData);
        Assert.Contains("has no private key", Assert.Throws<UserErrorException>(() => new ClusterCertificate(withoutKey)).Message);
    }

    private static X509Certificate2 Made(AsymmetricAlgorithm key)
    {
        var request = key is RSA rsa
            ? new CertificateRequest("CN=clipmoe", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest("CN=clipmoe", (ECDsa)key, HashAlgorithmName.SHA256);
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    private static AsymmetricAlgorithm KeyOf(X509Certificate2 certificate) => (AsymmetricAlgorithm?)certificate.GetRSAPrivateKey()
        ?? certificate.GetECDsaPrivateKey()!;

    private string Written(string name, string text) => Written(name, System.Text.Encoding.ASCII.GetBytes(text));

    private string Written(string name, byte[] bytes)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
