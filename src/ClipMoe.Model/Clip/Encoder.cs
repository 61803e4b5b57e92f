using ClipMoe.Model.Architecture;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace ClipMoe.Model.Clip;

/// <summary>What an encoder found for a batch.</summary>
/// <param name="Features">[n, <see cref="ClipConfig.EmbedDim"/>], row-major.</param>
/// <param name="Load">Choices of the routers over the tokens up to the end of each text, or over all of each image; null for a dense
/// model.</param>
public sealed record Encoded(float[] Features, RouterLoad? Load);

/// <summary>Features of images and texts, without gradients. Belongs to the thread that owns the replica.</summary>
/// <param name="normalize">Whether features are divided by their L2 norm.</param>
public sealed class Encoder(Replica replica, bool normalize = true)
{
    private readonly ClipConfig _config = replica.Layout.Config;

    public Replica Replica => replica;

    /// <param name="images">[n, 3, R, R].</param>
    public Encoded EncodeImages(PixelBatch images, int rows)
    {
        using var routing = NewRouting();
        return Encode(routing, null, () => Towers.Image(replica, images, rows, routing));
    }

    /// <param name="tokens">[n, context], zero padded.</param>
    public Encoded EncodeTexts(ReadOnlySpan<int> tokens, int rows)
    {
        using var routing = NewRouting();
        var batch = TokenBatch.Create(rows, tokens, _config.ContextLength);
        return Encode(routing, batch.ValidTokens(), () => Towers.Text(replica, batch, routing));
    }

    /// <summary>
    /// Router logits of a batch of images, [MoE blocks, positions·n, experts]; the row of position p and item i is p·n + i, as in the
    /// reference.
    /// </summary>
    public float[] ImageRouterLogits(PixelBatch images, int rows)
    {
        using var routing = NewRouting() ?? throw new InvalidOperationException("a dense model has no routers");
        return Logits(routing, rows, () => Towers.Image(replica, images, rows, routing));
    }

    /// <summary>Router logits of a batch of texts over all positions, padding too; shape as <see cref="ImageRouterLogits"/>.</summary>
    public float[] TextRouterLogits(ReadOnlySpan<int> tokens, int rows)
    {
        using var routing = NewRouting() ?? throw new InvalidOperationException("a dense model has no routers");
        var batch = TokenBatch.Create(rows, tokens, _config.ContextLength, keepPadding: true);
        return Logits(routing, rows, () => Towers.Text(replica, batch, routing));
    }

    private Routing? NewRouting() => _config.Moe is { } moe ? new Routing(Routers.Create(moe, [])) : null;

    private Encoded Encode(Routing? routing, bool[]? counted, Func<Tensor> tower)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var features_nC = tower().to(ScalarType.Float32);
        if (normalize) features_nC = features_nC / features_nC.norm(1, keepdim: true);
        return new Encoded(HostTensor.Read(features_nC), routing?.Load(_config.Moe!.Experts, counted));
    }

    private static float[] Logits(Routing routing, int rows, Func<Tensor> tower)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        tower();
        return HostTensor.Read(stack([.. routing.Logits_TE.Select(l => l.view(rows, -1, l.shape[1]).transpose(0, 1).flatten(0, 1))]));
    }
}
