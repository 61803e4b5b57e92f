using ClipMoe.Model.Tensors;
using static TorchSharp.torch;

namespace ClipMoe.Model.Losses;

// N rows of the global batch, n rows of one micro-batch, C width of the common space.

/// <summary>
/// The symmetric InfoNCE loss. In its one round each micro-batch publishes the log-sum-exps of its rows: images first, then captions.
/// </summary>
/// <param name="scale">Factor on cosine similarities.</param>
internal sealed class InfoNce(Tensor images_NC, Tensor texts_NC, double scale, double labelSmoothing) : ContrastiveObjective
{
    private Tensor? _image_N, _text_N;

    public override int Rounds => 1;

    public override MicroBatchLoss Begin(Tensor image_nC, Tensor text_nC, int first) => new Part(
        this, new ContrastiveLoss(image_nC, texts_NC, first, scale, labelSmoothing),
        new ContrastiveLoss(text_nC, images_NC, first, scale, labelSmoothing));

    public override void Receive(int round, IReadOnlyList<ReadOnlyMemory<float>> blocks)
    {
        _image_N = Join(b => b[..(b.Length / 2)]);
        _text_N = Join(b => b[(b.Length / 2)..]);

        Tensor Join(Func<ReadOnlyMemory<float>, ReadOnlyMemory<float>> part)
        {
            float[] values = [.. blocks.SelectMany(b => part(b).ToArray())];
            return HostTensor.Create(values, [values.Length], images_NC.device).DetachFromDisposeScope();
        }
    }

    public override void Dispose()
    {
        _image_N?.Dispose();
        _text_N?.Dispose();
    }

    private sealed class Part(InfoNce all, ContrastiveLoss image, ContrastiveLoss text) : MicroBatchLoss
    {
        public override float[] Publish(int round) => [.. HostTensor.Read(image.LogSumExps_n), .. HostTensor.Read(text.LogSumExps_n)];

        public override Tensor TextGradient(double weight) => text.Gradient(all._image_N!, weight, withLogitScale: false).Features_nC;

        public override (Tensor Features_nC, double[] Logits) ImageGradient(double weight, bool withLogits)
        {
            var (image_nC, logitScale) = image.Gradient(all._text_N!, weight, withLogits);
            return (image_nC, withLogits ? [logitScale] : []);
        }

        public override double Share() => (image.RowLosses() + text.RowLosses()) / (2.0 * all._image_N!.shape[0]);

        public override void Dispose()
        {
            image.Dispose();
            text.Dispose();
        }
    }
}
