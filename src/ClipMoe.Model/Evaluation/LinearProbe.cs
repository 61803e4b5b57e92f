using System.Text.Json.Serialization;

namespace ClipMoe.Model.Evaluation;

/// <param name="Target">What was predicted, for instance an attribute of the scenes.</param>
/// <param name="Classes">Number of classes.</param>
/// <param name="TrainSamples">Samples fitted.</param>
/// <param name="TestSamples">Samples measured.</param>
/// <param name="Accuracy">Fraction of the test samples whose class is predicted.</param>
/// <param name="TrainAccuracy">The same of the training samples.</param>
/// <param name="MajorityAccuracy">Of always predicting the most frequent class of the training samples, on the test samples.</param>
/// <param name="Iterations">Of the solver.</param>
/// <param name="Converged">False when the iterations ran out.</param>
public sealed record ProbeResult(
    [property: JsonPropertyName("target")] string Target,
    [property: JsonPropertyName("classes")] int Classes,
    [property: JsonPropertyName("train_samples")] int TrainSamples,
    [property: JsonPropertyName("test_samples")] int TestSamples,
    [property: JsonPropertyName("accuracy")] double Accuracy,
    [property: JsonPropertyName("train_accuracy")] double TrainAccuracy,
    [property: JsonPropertyName("majority_accuracy")] double MajorityAccuracy,
    [property: JsonPropertyName("iterations")] int Iterations,
    [property: JsonPropertyName("converged")] bool Converged);

/// <summary>
/// How much of a property the features hold in a linearly readable form: multinomial logistic regression on standardized features.
/// </summary>
public static class LinearProbe
{
    private const int MaxIterations = 500;
    private const double Tolerance = 1e-4;

    /// <summary>
    /// Inverse of the strength of the L2 penalty over the whole training set, as scikit-learn's C and of its default value.
    /// </summary>
    private const double InversePenalty = 1;

    /// <summary>Fits on the training samples and measures on the test samples. Deterministic, whatever the number of threads.</summary>
    /// <param name="target">Name of what is predicted.</param>
    /// <param name="train">[n, D].</param>
    /// <param name="trainLabels">[n] in 0 … classes−1.</param>
    /// <param name="test">[m, D].</param>
    /// <param name="testLabels">[m] in 0 … classes−1.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="threads">Threads to compute on.</param>
    /// <exception cref="UserErrorException">No samples, a label outside the classes, or features that are not finite.</exception>
    public static ProbeResult Evaluate(
        string target, Features train, IReadOnlyList<int> trainLabels, Features test, IReadOnlyList<int> testLabels, int classes,
        int threads)
    {
        Check(target, "training", train, trainLabels, classes);
        Check(target, "test", test, testLabels, classes);
        if (train.Dimension != test.Dimension)
            throw new ArgumentException($"trained on {train.Dimension} dimensions, tested on {test.Dimension}");

        var scale = Standardization.Fit(train);
        var fitted = new LogisticLoss(scale.Apply(train), trainLabels, train.Dimension + 1, classes, 1 / (InversePenalty * train.Count),
            threads);
        var weights = new double[classes * (train.Dimension + 1)];
        var (iterations, converged) = Lbfgs.Minimize(fitted.Evaluate, weights, MaxIterations, Tolerance);

        var measured = new LogisticLoss(scale.Apply(test), testLabels, train.Dimension + 1, classes, penalty: 0, threads);
        var majority = trainLabels.CountBy(l => l).OrderByDescending(g => g.Value).ThenBy(g => g.Key).First().Key;
        return new ProbeResult(
            target, classes, train.Count, test.Count, measured.Accuracy(weights), fitted.Accuracy(weights),
            testLabels.Count(l => l == majority) / (double)test.Count, iterations, converged);
    }

    private static void Check(string target, string part, Features features, IReadOnlyList<int> labels, int classes)
    {
        if (features.Count == 0) throw new UserErrorException($"The linear probe of {target} has no {part} samples.");
        if (features.Count != labels.Count) throw new ArgumentException($"{features.Count} {part} samples with {labels.Count} labels");
        features.InverseNorms($"{part} sample");
        for (var i = 0; i < labels.Count; i++)
        {
            if ((uint)labels[i] >= (uint)classes)
                throw new UserErrorException($"Linear probe of {target}: {part} sample {i} has class {labels[i]}, not one of 0 … " +
                    $"{classes - 1}.");
        }
    }

    /// <summary>
    /// x → (x − mean) / standard deviation of the training samples, with a 1 behind for the bias; constant features become 0.
    /// </summary>
    private sealed record Standardization(double[] Mean, double[] InverseDeviation)
    {
        public static Standardization Fit(Features train)
        {
            var (mean, squares) = (new double[train.Dimension], new double[train.Dimension]);
            for (var i = 0; i < train.Count; i++)
            {
                for (var d = 0; d < mean.Length; d++) mean[d] += train[i][d];
            }

            for (var d = 0; d < mean.Length; d++) mean[d] /= train.Count;
            for (var i = 0; i < train.Count; i++)
            {
                for (var d = 0; d < mean.Length; d++) squares[d] += (train[i][d] - mean[d]) * (train[i][d] - mean[d]);
            }

            return new Standardization(mean, [.. squares.Select((s, d) => Inverse(Math.Sqrt(s / train.Count), Math.Abs(mean[d])))]);
        }

        private static double Inverse(double deviation, double magnitude) => deviation <= 1e-7 * magnitude || deviation == 0 ? 0
            : 1 / deviation;

        public float[] Apply(Features features)
        {
            var width = features.Dimension + 1;
            var standardized = new float[features.Count * width];
            for (var i = 0; i < features.Count; i++)
            {
                var row = features[i];
                for (var d = 0; d < row.Length; d++) standardized[i * width + d] = (float)((row[d] - Mean[d]) * InverseDeviation[d]);
                standardized[i * width + width - 1] = 1;
            }

            return standardized;
        }
    }
}
