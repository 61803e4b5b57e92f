using System.Numerics.Tensors;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Evaluation;

/// <summary>
/// Mean cross-entropy of a linear classifier plus penalty / 2 × the squared weights, except those of the last input, which is the bias.
/// Sums run over leaves of a fixed number of samples in their order, so no bit depends on the number of threads.
/// </summary>
internal sealed class LogisticLoss
{
    private const int LeafRows = 512;

    private readonly float[] _inputs;
    private readonly float[][] _transposedLeaves;
    private readonly IReadOnlyList<int> _labels;
    private readonly int _width, _classes, _threads;
    private readonly double _penalty;

    /// <param name="inputs">[n, width]; the last column is 1.</param>
    /// <param name="labels">[n].</param>
    /// <param name="width">Inputs of the classifier.</param>
    /// <param name="classes">Its outputs.</param>
    /// <param name="penalty">Strength of the penalty beside the mean loss.</param>
    /// <param name="threads">Threads to compute on.</param>
    public LogisticLoss(float[] inputs, IReadOnlyList<int> labels, int width, int classes, double penalty, int threads)
    {
        (_inputs, _labels, _width, _classes, _penalty, _threads) = (inputs, labels, width, classes, penalty, threads);
        _transposedLeaves = [.. Enumerable.Range(0, (labels.Count + LeafRows - 1) / LeafRows).Select(leaf => Transpose(Leaf(leaf), width))];
    }

    /// <param name="weights">[classes, width].</param>
    /// <param name="gradient">[classes, width], written.</param>
    public double Evaluate(ReadOnlySpan<double> weights, Span<double> gradient)
    {
        var rounded = Round(weights);
        var losses = new double[_transposedLeaves.Length];
        var gradients = new float[_transposedLeaves.Length][];
        DedicatedThreads.For(losses.Length, _threads, leaf =>
        {
            var rows = Leaf(leaf).Length / _width;
            var residuals = new float[rows * _classes];
            DotProducts.Products(Leaf(leaf), rounded, _width, residuals);
            for (var i = 0; i < rows; i++)
            {
                var row = residuals.AsSpan(i * _classes, _classes);
                var label = _labels[leaf * LeafRows + i];
                var (largest, ofLabel) = (TensorPrimitives.Max<float>(row), row[label]);
                TensorPrimitives.Subtract(row, largest, row);
                TensorPrimitives.Exp(row, row);
                var sum = 0f;
                foreach (var e in row) sum += e;
                losses[leaf] += Math.Log(sum) + largest - ofLabel;
                TensorPrimitives.Divide(row, sum, row);
                row[label] -= 1;
            }

            gradients[leaf] = new float[_classes * _width];
            DotProducts.Products(Transpose(residuals, _classes), _transposedLeaves[leaf], rows, gradients[leaf]);
        });

        gradient.Clear();
        foreach (var part in gradients)
        {
            for (var i = 0; i < part.Length; i++) gradient[i] += part[i];
        }

        var squares = 0.0;
        for (var i = 0; i < weights.Length; i++)
        {
            var penalized = i % _width == _width - 1 ? 0 : weights[i];
            gradient[i] = gradient[i] / _labels.Count + _penalty * penalized;
            squares += penalized * penalized;
        }

        return losses.Sum() / _labels.Count + _penalty / 2 * squares;
    }

    /// <summary>Fraction of samples whose class scores above all others; a tie is a miss.</summary>
    public double Accuracy(ReadOnlySpan<double> weights)
    {
        var rounded = Round(weights);
        var hits = 0;
        var scores = new float[_classes];
        for (var i = 0; i < _labels.Count; i++)
        {
            DotProducts.Products(_inputs.AsSpan(i * _width, _width), rounded, _width, scores);
            var own = scores[_labels[i]];
            scores[_labels[i]] = float.NegativeInfinity;
            if (own > TensorPrimitives.Max<float>(scores)) hits++;
        }

        return hits / (double)_labels.Count;
    }

    private ReadOnlySpan<float> Leaf(int leaf)
    {
        var start = leaf * LeafRows * _width;
        return _inputs.AsSpan(start, Math.Min(LeafRows * _width, _inputs.Length - start));
    }

    private static float[] Round(ReadOnlySpan<double> weights)
    {
        var rounded = new float[weights.Length];
        for (var i = 0; i < rounded.Length; i++) rounded[i] = (float)weights[i];
        return rounded;
    }

    private static float[] Transpose(ReadOnlySpan<float> matrix, int width)
    {
        var rows = matrix.Length / width;
        var transposed = new float[matrix.Length];
        for (var r = 0; r < rows; r++)
        {
            for (var c = 0; c < width; c++) transposed[c * rows + r] = matrix[r * width + c];
        }

        return transposed;
    }
}
