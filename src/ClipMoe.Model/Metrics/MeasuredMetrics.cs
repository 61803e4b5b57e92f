namespace ClipMoe.Model.Metrics;

/// <summary>How much of training is measured.</summary>
public enum MeasuredMetrics
{
    All,

    /// <summary>The losses and the learning rate, which cost nothing.</summary>
    Loss,
}
