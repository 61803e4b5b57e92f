using ClipMoe.Model.Architecture;
using static TorchSharp.torch;

namespace ClipMoe.Model.Losses;

// N rows of the global batch, n rows of one micro-batch, C width of the common space.

/// <summary>
/// A contrastive loss between all images and one kind of captions of the global batch, in one step. It sees features only. What a
/// micro-batch needs to know besides, it gets in rounds in which every micro-batch publishes a block of floats.
/// </summary>
internal abstract class ContrastiveObjective : IDisposable
{
    /// <summary>Rounds of publishing; 0 where the features say all.</summary>
    public abstract int Rounds { get; }

    /// <summary>Begins the part of a micro-batch.</summary>
    /// <param name="image_nC">Its features, normalized, fp32, without a graph.</param>
    /// <param name="first">Row of its first sample in the global batch.</param>
    public abstract MicroBatchLoss Begin(Tensor image_nC, Tensor text_nC, int first);

    /// <summary>Takes what all micro-batches published in a round.</summary>
    /// <param name="blocks">In the order of the micro-batches.</param>
    public abstract void Receive(int round, IReadOnlyList<ReadOnlyMemory<float>> blocks);

    public virtual void Dispose()
    {
    }

    /// <param name="logits">Values of the loss's <see cref="LossKinds.LogitParameters"/>, in their order.</param>
    /// <param name="images_NC">Features of the global batch, normalized, fp32; they belong to the caller.</param>
    /// <param name="labelSmoothing">For losses with a target that can be smoothed.</param>
    public static ContrastiveObjective Create(
        LossKind loss, IReadOnlyList<double> logits, Tensor images_NC, Tensor texts_NC, double labelSmoothing) => loss switch
        {
            LossKind.InfoNce => new InfoNce(images_NC, texts_NC, Math.Exp(logits[0]), labelSmoothing),
            LossKind.Sigmoid => new SigmoidLoss(images_NC, texts_NC, Math.Exp(logits[0]), logits[1]),
            _ => throw new ArgumentOutOfRangeException(nameof(loss), loss, null),
        };
}

/// <summary>A micro-batch's part in a contrastive loss. It computes the exact gradient of the global loss for its own features.</summary>
internal abstract class MicroBatchLoss : IDisposable
{
    /// <summary>The block that the micro-batch publishes in a round; equally many floats for each of its samples.</summary>
    public abstract float[] Publish(int round);

    /// <summary>Gradient of the global loss for the micro-batch's caption features, [n, C].</summary>
    /// <param name="weight">Factor on the loss.</param>
    public abstract Tensor TextGradient(double weight);

    /// <summary>
    /// The same for its image features, and its shares of the derivatives for the loss's learned numbers; the shares of all add up to
    /// those.
    /// </summary>
    /// <param name="withLogits">Whether the shares are wanted; they are empty otherwise.</param>
    public abstract (Tensor Features_nC, double[] Logits) ImageGradient(double weight, bool withLogits);

    /// <summary>The micro-batch's share of the loss, without a weight; shares of all add up to it.</summary>
    public abstract double Share();

    public abstract void Dispose();
}
