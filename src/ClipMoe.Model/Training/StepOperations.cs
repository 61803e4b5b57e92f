using ClipMoe.Model.Architecture;
using ClipMoe.Model.Parameters;

namespace ClipMoe.Model.Training;

/// <summary>
/// Floating-point operations of the matrix products in one training step on one image and its caption, counted from the shapes: 2·m·n·k
/// each, only what is computed: of the last block what one token per item needs, of the backward pass what the locking leaves. Softmax,
/// normalizations, activations and AdamW are not counted.
/// </summary>
public static class StepOperations
{
    /// <param name="captionTokens">Positions computed of the caption.</param>
    public static double PerPair(ClipConfig config, TrainableParameters locking, int captionTokens)
    {
        var count = 0.0;
        var differentiates = false;
        Tower("visual.transformer", config.Vision, config.VisionPositions, ["visual.conv1.weight", "visual.class_embedding"],
            "visual.proj");
        Tower("transformer", config.Text, captionTokens, ["token_embedding.weight", "positional_embedding"], "text_projection");
        return count;

        void Tower(string transformer, TowerConfig tower, long positions, string[] inputs, string projection)
        {
            differentiates = inputs.Any(locking.Trains);
            if (transformer != "transformer")
            {
                var patch = 3.0 * config.PatchSize * config.PatchSize;
                count += 2 * (positions - 1) * patch * tower.Width * (locking.Trains(inputs[0]) ? 2 : 1);
            }

            var firstMoe = tower.Layers - (config.Moe?.LayersOf(tower) ?? 0);
            var last = tower.Layers - 1;
            for (var i = 0; i <= last; i++) Block($"{transformer}.resblocks.{i}", tower, positions, i >= firstMoe, i == last);
            Product(1, tower.Width, config.EmbedDim, projection);
        }

        void Block(string name, TowerConfig tower, double positions, bool moe, bool isLast)
        {
            double width = tower.Width;
            // Every token asks in a block that routes, since routers decide for each.
            var asking = isLast && !moe ? 1 : positions;
            Product(asking, width, width, $"{name}.attn.in_proj_weight");
            Product(positions, width, 2 * width, $"{name}.attn.in_proj_weight");
            // Scores and weighted sum; twice as much for the gradients of both factors of each.
            count += 4 * asking * positions * width * (differentiates ? 3 : 1);
            Product(asking, width, width, $"{name}.attn.out_proj.weight");
            if (moe) Product(positions, width, config.Moe!.Experts, $"{name}.gate.weight");
            var computed = (isLast ? 1 : positions) * (moe ? config.Moe!.TopK : 1);
            Ffn(moe ? $"{name}.experts.0" : $"{name}.mlp", computed, width);
        }

        void Ffn(string name, double rows, double width)
        {
            Product(rows, width, 4 * width, $"{name}.c_fc.weight");
            Product(rows, 4 * width, width, $"{name}.c_proj.weight");
        }

        // x·W; its backward computes the gradient of x where something before it trains, and that of W where W trains.
        void Product(double rows, double from, double to, string weight)
        {
            var trains = locking.Trains(weight);
            count += 2 * rows * from * to * (1 + (differentiates ? 1 : 0) + (trains ? 1 : 0));
            differentiates |= trains;
        }
    }
}
