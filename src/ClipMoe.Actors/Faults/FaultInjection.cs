using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model;

namespace ClipMoe.Actors.Faults;

/// <summary>Places in a worker's work where something can be made to go wrong.</summary>
/// <remarks>
/// Copy: some of the state of others is copied. Serve: others begin to copy the state. Checkpoint: nothing of it is written yet.
/// HalfCheckpoint: one of its files is whole, another is half written, under its temporary name. The names in quotes are those of lists of
/// faults, whatever the C# names become.
/// </remarks>
public enum WorkPhase
{
    [JsonStringEnumMemberName("Join")] Join,
    [JsonStringEnumMemberName("Copy")] Copy,
    [JsonStringEnumMemberName("Serve")] Serve,
    [JsonStringEnumMemberName("Features")] Features,
    [JsonStringEnumMemberName("Normalisers")] LogSumExps,
    [JsonStringEnumMemberName("Gradient")] Gradient,
    [JsonStringEnumMemberName("Ready")] Ready,
    [JsonStringEnumMemberName("Commit")] Commit,
    [JsonStringEnumMemberName("Checkpoint")] Checkpoint,
    [JsonStringEnumMemberName("HalfCheckpoint")] HalfCheckpoint,
    [JsonStringEnumMemberName("Extract")] Extract,
    [JsonStringEnumMemberName("Cluster")] Cluster,
    [JsonStringEnumMemberName("Label")] Label,
    [JsonStringEnumMemberName("Evaluate")] Evaluate,
}

/// <summary>What goes wrong.</summary>
public enum FaultKind
{
    /// <summary>The process is gone at once, as with kill -9 or a native crash.</summary>
    [JsonStringEnumMemberName("Kill")] Kill,

    /// <summary>The process stands still for five seconds, as on a machine that is overloaded or suspended.</summary>
    [JsonStringEnumMemberName("Stop")] Stop,

    /// <summary>A bit of a weight flips.</summary>
    [JsonStringEnumMemberName("Corrupt")] Corrupt,

    /// <summary>A bit of the next frame to another worker flips on its way.</summary>
    [JsonStringEnumMemberName("Garble")] Garble,
}

/// <summary>One fault: at this phase of this step (or shard, or iteration) of a stage.</summary>
/// <param name="Step">Null: whichever comes first.</param>
public sealed record InjectedFault(FaultKind Kind, string Stage, int? Step, WorkPhase Phase)
{
    private const string AnyStep = "*";

    /// <summary>Reads <c>kill@mcl-1:12:gradient</c>, or <c>kill@mcl-1:*:copy</c> for any step.</summary>
    /// <exception cref="UserErrorException">It has another form.</exception>
    public static InjectedFault Parse(string text)
    {
        var parts = text.Split('@', ':');
        var step = 0;
        return parts.Length == 4 && FaultNames<FaultKind>.TryParse(parts[0], out var kind)
            && (parts[2] == AnyStep || int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out step))
            && FaultNames<WorkPhase>.TryParse(parts[3], out var phase)
            ? new InjectedFault(kind, parts[1], parts[2] == AnyStep ? null : step, phase)
            : throw new UserErrorException($"'{text}' is no fault such as kill@mcl-1:12:gradient.");
    }
}

/// <summary>
/// Faults by name, so that tests and drills hit the very moment they mean. Each happens once, also when the worker is started again: a
/// file in the output folder tells that it did.
/// </summary>
public sealed class FaultInjection(IReadOnlyList<InjectedFault> faults, string output, FaultRequests? orders = null)
{
    /// <summary>
    /// Environment variable with the faults of workers: <c>WORKER=FAULT;WORKER=FAULT</c>; <c>*=FAULT</c> is for whichever comes there
    /// first.
    /// </summary>
    public const string Variable = "CLIPMOE_FAULTS";

    private const string AnyWorker = "*";

    private const int SigStop = 19;

    private static readonly TimeSpan StopFor = TimeSpan.FromSeconds(5);

    private int _garbled;

    public static FaultInjection None { get; } = new([], "");

    /// <summary>What happens to frames to other workers; null: nothing ever does.</summary>
    public FrameFault? Frames => orders is not null || faults.Any(f => f.Kind == FaultKind.Garble)
        ? site => Interlocked.Exchange(ref _garbled, 0) == 1 ? FaultAction.FlipBit : orders?.OnFrame(site) ?? FaultAction.None
        : null;

    /// <param name="worker">Name of the worker; faults of others are not its own.</param>
    /// <param name="orders">Faults that are ordered while it runs; null: none are.</param>
    /// <exception cref="UserErrorException">The list is malformed.</exception>
    public static FaultInjection Read(string? list, string worker, string output, FaultRequests? orders = null) => new(
        [.. (list ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(f => f.Split('=', 2)).Where(f => (f[0] == worker || f[0] == AnyWorker) && f.Length == 2)
            .Select(f => InjectedFault.Parse(f[1]))], output, orders);

    /// <summary>The work has come to this place.</summary>
    /// <returns>Whether something is to be corrupted here.</returns>
    public bool Reach(string stage, int step, WorkPhase phase)
    {
        if (phase == WorkPhase.Commit && orders?.Take(RequestedFault.FlipWeight) == true) return true;
        if (faults.Count == 0) return false;
        foreach (var fault in faults.Where(f => f.Stage == stage && (f.Step ?? step) == step && f.Phase == phase))
        {
            if (!FirstTime(fault)) continue;
            switch (fault.Kind)
            {
                case FaultKind.Kill:
                    Process.GetCurrentProcess().Kill();
                    break;
                case FaultKind.Stop:
                    Stop();
                    break;
                case FaultKind.Garble:
                    Volatile.Write(ref _garbled, 1);
                    break;
                case FaultKind.Corrupt:
                    return true;
            }
        }
        return false;
    }

    private bool FirstTime(InjectedFault fault)
    {
        try
        {
            var step = fault.Step?.ToString(CultureInfo.InvariantCulture) ?? "any";
            var (kind, phase) = (FaultNames<FaultKind>.Of(fault.Kind), FaultNames<WorkPhase>.Of(fault.Phase));
            using var mark = new FileStream(Path.Combine(output, $"fault-{kind}-{fault.Stage}-{step}-{phase}"), FileMode.CreateNew);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>A process that stands still can't wake itself: a shell does.</summary>
    private static void Stop()
    {
        var pid = Environment.ProcessId;
        using var waker = Process.Start("sh", ["-c", $"sleep {StopFor.TotalSeconds:0}; kill -CONT {pid}"]);
        Kill(pid, SigStop);
    }

    [DllImport("libc", EntryPoint = "kill")]
    private static extern int Kill(int pid, int signal);
}
