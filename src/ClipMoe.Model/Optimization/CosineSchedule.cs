namespace ClipMoe.Model.Optimization;

/// <summary>Linear warm-up, then half a cosine down to zero: the reference's <c>cosine_lr</c>.</summary>
/// <param name="BaseRate">The rate at the end of the warm-up.</param>
/// <param name="WarmupSteps">Steps of warm-up; 0 for none.</param>
/// <param name="TotalSteps">Steps of the whole schedule, warm-up included.</param>
public sealed record CosineSchedule(double BaseRate, int WarmupSteps, int TotalSteps)
{
    /// <summary>Learning rate of a step, counted from 0.</summary>
    public double At(int step)
    {
        if (step < WarmupSteps) return BaseRate * (step + 1) / WarmupSteps;
        var done = (double)(step - WarmupSteps) / Math.Max(TotalSteps - WarmupSteps, 1);
        return 0.5 * (1 + Math.Cos(Math.PI * done)) * BaseRate;
    }
}
