using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ClipMoe.Model;

namespace ClipMoe.Actors.Transport.Connections;

/// <summary>
/// The one certificate that all processes of a cluster share. A process with its private key belongs to the cluster, and no other does:
/// both sides of a TLS connection must show this very certificate and prove that they have the key. Names, dates, issuers and revocation
/// lists are not looked at.
/// </summary>
public sealed class ClusterCertificate : IDisposable
{
    /// <param name="certificate">With its private key, which can be exported.</param>
    /// <exception cref="UserErrorException">It has no private key.</exception>
    public ClusterCertificate(X509Certificate2 certificate)
    {
        Certificate = certificate;
        Secret = Convert.ToHexString(HMACSHA256.HashData(PrivateKey(certificate), "clipmoe bulk connections"u8));
    }

    internal X509Certificate2 Certificate { get; }

    /// <summary>Known to processes with the private key, for connections that are not encrypted because they stay within a host.</summary>
    internal string Secret { get; }

    /// <summary>Whether a peer that showed this certificate has shown the cluster's.</summary>
    public bool Is(X509Certificate? shown) => shown is not null && Certificate.RawDataMemory.Span.SequenceEqual(shown.GetRawCertData());

    /// <summary>Reads the certificate and its private key.</summary>
    /// <param name="files"><c>CERT.pfx</c>; <c>CERT.pem,KEY.pem</c>; or one <c>.pem</c> that holds both.</param>
    /// <param name="password">Of the PFX or of the encrypted key; null: there is none.</param>
    /// <exception cref="UserErrorException">They can't be read, or are something else.</exception>
    public static ClusterCertificate Load(string files, string? password)
    {
        try
        {
            return new ClusterCertificate(Read(files.Split(','), password));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new UserErrorException($"the certificate {files} can't be used: {e.Message.TrimEnd('.')}.", e);
        }
    }

    public void Dispose() => Certificate.Dispose();

    private static X509Certificate2 Read(string[] files, string? password) => (files, password) switch
    {
        ([var file], _) when IsPkcs12(file) => X509CertificateLoader.LoadPkcs12FromFile(file, password, X509KeyStorageFlags.Exportable),
        ([var certificate, var key], null) => X509Certificate2.CreateFromPemFile(certificate, key),
        ([var certificate, var key], _) => X509Certificate2.CreateFromEncryptedPemFile(certificate, password, key),
        ([var both], null) => X509Certificate2.CreateFromPemFile(both),
        ([var both], _) => X509Certificate2.CreateFromEncryptedPemFile(both, password),
        _ => throw new UserErrorException($"{string.Join(',', files)} is not CERT.pfx, CERT.pem,KEY.pem or one .pem with both."),
    };

    private static bool IsPkcs12(string file) => Path.GetExtension(file).ToLowerInvariant() is ".pfx" or ".p12";

    /// <summary>The number that is the key, which is the same however the file wraps it.</summary>
    private static byte[] PrivateKey(X509Certificate2 certificate)
    {
        using var rsa = certificate.GetRSAPrivateKey();
        if (rsa is not null) return rsa.ExportParameters(includePrivateParameters: true).D!;
        using var ecdsa = certificate.GetECDsaPrivateKey();
        return ecdsa?.ExportParameters(includePrivateParameters: true).D
            ?? throw new UserErrorException(
            $"the certificate {certificate.Subject} has no private key beside it that TLS can use (RSA or ECDSA).");
    }
}
