namespace ClipMoe.Actors.Protocol;

/// <summary>How long the last steps took, and so how long one may take before a worker must be in trouble. Pure.</summary>
public sealed record StepPace
{
    /// <summary>No step was seen.</summary>
    public static StepPace Unknown { get; } = new([]);

    private const int Window = 32, Factor = 10;

    /// <summary>
    /// Shorter hiccups than this are everyday: a garbage collection, a disk that others use, a stopped and continued process.
    /// </summary>
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(15);

    /// <summary>Before any step was seen: the first one also opens files and compiles kernels.</summary>
    private static readonly TimeSpan First = TimeSpan.FromMinutes(10);

    private readonly IReadOnlyList<TimeSpan> _last;

    /// <summary>Above it a step is overdue: a multiple of the median.</summary>
    public TimeSpan Deadline
    {
        get
        {
            if (_last.Count == 0) return First;
            var median = _last.Order().ElementAt(_last.Count / 2);
            return Factor * median > Least ? Factor * median : Least;
        }
    }

    public StepPace Add(TimeSpan step) => new([.. _last.Append(step).TakeLast(Window)]);

    private StepPace(IReadOnlyList<TimeSpan> last) => _last = last;
}
