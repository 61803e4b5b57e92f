using ClipMoe.Model.Native;
using static TorchSharp.torch;

namespace ClipMoe.Model.Losses;

// N rows of the global batch, n rows of one micro-batch, C width of the common space.

/// <summary>
/// The sigmoid loss of SigLIP (arXiv 2303.15343) over the global batch: every image with every caption is a pair of its own that belongs
/// together or does not. L = −1/N·Σᵢⱼ log σ(zᵢⱼ·sᵢⱼ), s = scale·x·yᵀ + bias, z = 1 where i = j and −1 elsewhere.
/// </summary>
/// <remarks>A pair needs nothing of other pairs, so features say all and there are no rounds.</remarks>
/// <param name="scale">Factor on cosine similarities.</param>
internal sealed class SigmoidLoss(Tensor images_NC, Tensor texts_NC, double scale, double bias) : ContrastiveObjective
{
    public override int Rounds => 0;

    public override MicroBatchLoss Begin(Tensor image_nC, Tensor text_nC, int first) => new Part(this, image_nC, text_nC, first);

    public override void Receive(int round, IReadOnlyList<ReadOnlyMemory<float>> blocks) => throw NoRounds();

    private static InvalidOperationException NoRounds() => new("nothing is published for a sigmoid loss");

    private Tensor Images_NC => images_NC;
    private Tensor Texts_NC => texts_NC;
    private double Scale => scale;
    private double Bias => bias;

    private sealed class Part : MicroBatchLoss
    {
        private readonly SigmoidLoss _all;
        private readonly int _first;

        /// <summary>s without its bias: the micro-batch's images with all captions, and its captions with all images.</summary>
        private readonly Tensor _image_nN, _text_nN;

        public Part(SigmoidLoss all, Tensor image_nC, Tensor text_nC, int first)
        {
            using var scope = NewDisposeScope();
            (_all, _first) = (all, first);
            _image_nN = image_nC.mm(all.Texts_NC.t()).TimesInPlace(all.Scale).DetachFromDisposeScope();
            _text_nN = text_nC.mm(all.Images_NC.t()).TimesInPlace(all.Scale).DetachFromDisposeScope();
        }

        private long All => _image_nN.shape[1];

        public override float[] Publish(int round) => throw NoRounds();

        public override Tensor TextGradient(double weight) =>
            Slopes(_text_nN).mm(_all.Images_NC).TimesInPlace(weight * _all.Scale / All);

        public override (Tensor Features_nC, double[] Logits) ImageGradient(double weight, bool withLogits)
        {
            var slopes_nN = Slopes(_image_nN);
            double[] logits = withLogits ? [Sum(slopes_nN * _image_nN) * weight / All, Sum(slopes_nN) * weight / All] : [];
            return (slopes_nN.mm(_all.Texts_NC).TimesInPlace(weight * _all.Scale / All), logits);
        }

        public override double Share()
        {
            using var scope = NewDisposeScope();
            var signed_nN = _image_nN.neg().PlusInPlace(-_all.Bias);
            signed_nN.diagonal(_first).neg_();
            return -Sum(nn.functional.logsigmoid(signed_nN)) / All;
        }

        public override void Dispose()
        {
            _image_nN.Dispose();
            _text_nN.Dispose();
        }

        /// <summary>N·∂L/∂s: σ(s), and −σ(−s) where a pair belongs together, which keeps its digits where σ(s) is near 1.</summary>
        private Tensor Slopes(Tensor scaled_nN)
        {
            var s_nN = scaled_nN.clone().PlusInPlace(_all.Bias);
            var slopes_nN = s_nN.sigmoid();
            slopes_nN.diagonal(_first).copy_(s_nN.diagonal(_first).neg().sigmoid().neg());
            return slopes_nN;
        }

        private static double Sum(Tensor values) => values.to(ScalarType.Float64).sum().item<double>();
    }
}
