namespace ClipMoe.Model.Evaluation;

/// <summary>Limited-memory BFGS (Nocedal and Wright, algorithm 7.4) for smooth convex functions, in fp64 and without randomness.</summary>
internal static class Lbfgs
{
    private const int History = 10, StepHalvings = 30;
    private const double SufficientDecrease = 1e-4;

    /// <summary>Value at a point; writes the gradient there.</summary>
    public delegate double Objective(ReadOnlySpan<double> point, Span<double> gradient);

    /// <param name="objective">The function.</param>
    /// <param name="point">The start, overwritten with the minimum found.</param>
    /// <param name="maxIterations">Gives up after so many.</param>
    /// <param name="tolerance">Converged when no component of the gradient is larger.</param>
    public static (int Iterations, bool Converged) Minimize(Objective objective, double[] point, int maxIterations, double tolerance)
    {
        var gradient = new double[point.Length];
        var value = objective(point, gradient);
        var memory = new List<(double[] Step, double[] Change, double Curvature)>();
        for (var iteration = 0; iteration < maxIterations; iteration++)
        {
            if (gradient.Max(Math.Abs) <= tolerance) return (iteration, true);
            var direction = Direction(gradient, memory);
            var slope = Dot(direction, gradient);
            // Before there is curvature to go by, the first trial moves by 1.
            var length = memory.Count == 0 ? 1 / Math.Sqrt(Dot(gradient, gradient)) : 1.0;

            var (next, nextGradient) = (new double[point.Length], new double[point.Length]);
            var halvings = 0;
            for (; halvings < StepHalvings; halvings++, length /= 2)
            {
                for (var i = 0; i < point.Length; i++) next[i] = point[i] + length * direction[i];
                var nextValue = objective(next, nextGradient);
                if (!(nextValue <= value + SufficientDecrease * length * slope)) continue;
                value = nextValue;
                break;
            }

            // No step lowers the value: what remains is rounding.
            if (halvings == StepHalvings) return (iteration, true);
            Remember(memory, point, next, gradient, nextGradient);
            next.CopyTo(point, 0);
            gradient = nextGradient;
        }

        return (maxIterations, gradient.Max(Math.Abs) <= tolerance);
    }

    private static double[] Direction(double[] gradient, List<(double[] Step, double[] Change, double Curvature)> memory)
    {
        var direction = gradient.Select(g => -g).ToArray();
        if (memory.Count == 0) return direction;
        var weights = new double[memory.Count];
        for (var m = memory.Count - 1; m >= 0; m--)
        {
            weights[m] = Dot(memory[m].Step, direction) / memory[m].Curvature;
            AddScaled(direction, -weights[m], memory[m].Change);
        }

        var latest = memory[^1];
        var scale = latest.Curvature / Dot(latest.Change, latest.Change);
        for (var i = 0; i < direction.Length; i++) direction[i] *= scale;
        for (var m = 0; m < memory.Count; m++)
            AddScaled(direction, weights[m] - Dot(memory[m].Change, direction) / memory[m].Curvature, memory[m].Step);
        return direction;
    }

    private static void Remember(
        List<(double[] Step, double[] Change, double Curvature)> memory, double[] point, double[] next, double[] gradient,
        double[] nextGradient)
    {
        var (step, change) = (new double[point.Length], new double[point.Length]);
        for (var i = 0; i < point.Length; i++) (step[i], change[i]) = (next[i] - point[i], nextGradient[i] - gradient[i]);
        var curvature = Dot(step, change);
        if (curvature <= 1e-12 * Dot(change, change)) return;
        if (memory.Count == History) memory.RemoveAt(0);
        memory.Add((step, change, curvature));
    }

    private static double Dot(double[] a, double[] b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++) sum += a[i] * b[i];
        return sum;
    }

    private static void AddScaled(double[] a, double scale, double[] b)
    {
        for (var i = 0; i < a.Length; i++) a[i] += scale * b[i];
    }
}
