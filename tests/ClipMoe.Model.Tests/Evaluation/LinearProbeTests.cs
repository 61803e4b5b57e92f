using ClipMoe.Model.Evaluation;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Tests.Evaluation;

public sealed class LinearProbeTests
{
    private static readonly RandomKey Key = RandomKey.FromSeed(21);

    [Theory]
    [InlineData(2)]
    [InlineData(7)]
    public void Separable_classes_are_read_perfectly(int classes)
    {
        var (train, trainLabels) = Classes(0, 1500, classes, noise: 0.2);
        var (test, testLabels) = Classes(1, 400, classes, noise: 0.2);
        var result = LinearProbe.Evaluate("class", train, trainLabels, test, testLabels, classes, threads: 2);
        Assert.True(result.Converged);
        Assert.Equal((1.0, 1.0), (result.Accuracy, result.TrainAccuracy));
        Assert.Equal((classes, 1500, 400), (result.Classes, result.TrainSamples, result.TestSamples));
    }

    [Fact]
    public void Noise_is_read_no_better_than_by_chance()
    {
        var (train, _) = Classes(0, 3000, classes: 4, noise: 0.2);
        var (test, _) = Classes(1, 2000, classes: 4, noise: 0.2);
        var result = LinearProbe.Evaluate("noise", train, Random(2, 3000, 5), test, Random(3, 2000, 5), classes: 5, threads: 2);
        Assert.InRange(result.Accuracy, 0.15, 0.25);
        Assert.InRange(result.MajorityAccuracy, 0.15, 0.25);
    }

    [Fact]
    public void Scale_offset_and_constant_features_change_nothing()
    {
        var (train, trainLabels) = Classes(0, 600, classes: 3, noise: 1.5);
        var (test, testLabels) = Classes(1, 300, classes: 3, noise: 1.5);
        var plain = LinearProbe.Evaluate("class", train, trainLabels, test, testLabels, classes: 3, threads: 1);
        var stretched = LinearProbe.Evaluate("class", Stretch(train), trainLabels, Stretch(test), testLabels, classes: 3, threads: 1);
        Assert.InRange(plain.Accuracy, 0.5, 0.99);
        Assert.Equal(plain.Accuracy, stretched.Accuracy, tolerance: 0.011);

        static Features Stretch(Features features)
        {
            var rows = Enumerable.Range(0, features.Count).Select(i => features[i].ToArray());
            return new Features(rows.SelectMany(r => r.Select((v, d) => 1 + v * (d + 1) * 1e-2f).Append(0.1f)).ToArray(),
                features.Dimension + 1);
        }
    }

    [Fact]
    public void The_number_of_threads_changes_no_bit()
    {
        var (train, trainLabels) = Classes(0, 1700, classes: 3, noise: 2);
        var inputs = train.Values.ToArray();
        var weights = Enumerable.Range(0, 3 * train.Dimension).Select(i => Key.Derive(5).Unit(i) - 0.5).ToArray();
        var (one, three) = (new double[weights.Length], new double[weights.Length]);
        var lossOfOne = new LogisticLoss(inputs, trainLabels, train.Dimension, 3, penalty: 0.1, threads: 1).Evaluate(weights, one);
        var lossOfThree = new LogisticLoss(inputs, trainLabels, train.Dimension, 3, penalty: 0.1, threads: 3).Evaluate(weights, three);
        Assert.Equal(lossOfOne, lossOfThree);
        Assert.Equal(one, three);
    }

    [Fact]
    public void The_gradient_is_the_slope_of_the_loss()
    {
        var (train, labels) = Classes(0, 700, classes: 3, noise: 2);
        var loss = new LogisticLoss(train.Values.ToArray(), labels, train.Dimension, 3, penalty: 0.3, threads: 1);
        var weights = Enumerable.Range(0, 3 * train.Dimension).Select(i => Key.Derive(6).Unit(i) - 0.5).ToArray();
        var (gradient, unused) = (new double[weights.Length], new double[weights.Length]);
        loss.Evaluate(weights, gradient);
        for (var i = 0; i < weights.Length; i++)
        {
            const double step = 1e-2;
            var at = weights[i];
            weights[i] = at + step;
            var above = loss.Evaluate(weights, unused);
            weights[i] = at - step;
            var below = loss.Evaluate(weights, unused);
            weights[i] = at;
            Assert.Equal((above - below) / (2 * step), gradient[i], tolerance: 2e-4);
        }
    }

    [Fact]
    public void The_solver_finds_the_minimum_of_an_ill_conditioned_quadratic()
    {
        const int n = 40;
        var point = new double[n];
        var (iterations, converged) = Lbfgs.Minimize(Quadratic, point, maxIterations: 300, tolerance: 1e-9);
        Assert.True(converged);
        Assert.InRange(iterations, 2, 299);
        for (var i = 0; i < n; i++) Assert.Equal(i - 3, point[i], tolerance: 1e-6);

        static double Quadratic(ReadOnlySpan<double> x, Span<double> gradient)
        {
            var value = 0.0;
            for (var i = 0; i < x.Length; i++)
            {
                var curvature = 1 + 5 * i;
                gradient[i] = curvature * (x[i] - (i - 3));
                value += gradient[i] * (x[i] - (i - 3)) / 2;
            }

            return value;
        }
    }

    [Fact]
    public void Wrong_input_is_named()
    {
        var (train, labels) = Classes(0, 20, classes: 2, noise: 0.2);
        var none = new Features(Array.Empty<float>(), train.Dimension);
        Assert.Contains("no test samples", Error(train, labels, none, []));
        Assert.Contains("no training samples", Error(none, [], train, labels));
        Assert.Contains("test sample 3", Error(train, labels, train, [.. labels.Select((l, i) => i == 3 ? 2 : l)]));
        var values = train.Values.ToArray();
        values[5 * train.Dimension] = float.PositiveInfinity;
        Assert.Contains("training sample 5", Error(new Features(values, train.Dimension), labels, train, labels));

        static string Error(Features train, int[] trainLabels, Features test, int[] testLabels) => Assert.Throws<UserErrorException>(
            () => LinearProbe.Evaluate("size", train, trainLabels, test, testLabels, classes: 2, threads: 1)).Message;
    }

    private static int[] Random(int part, int count, int classes) =>
        [.. Enumerable.Range(0, count).Select(i => Key.Derive(part).Below(i, classes))];

    /// <summary>The class sets the sign of one of the features; the rest, and the noise, say nothing.</summary>
    private static (Features Features, int[] Labels) Classes(int part, int count, int classes, double noise)
    {
        const int dimension = 10;
        var labels = Random(100 + part, count, classes);
        var values = new float[count * dimension];
        for (var i = 0; i < count; i++)
        {
            for (var d = 0; d < dimension; d++)
                values[i * dimension + d] = (float)((labels[i] == d ? 1 : 0) + noise * (Key.Derive(200 + part).Derive(i).Unit(d) - 0.5));
        }

        return (new Features(values, dimension), labels);
    }
}
