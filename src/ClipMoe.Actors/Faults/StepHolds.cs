using System.Globalization;

namespace ClipMoe.Actors.Faults;

/// <summary>A step that waits until it is released.</summary>
/// <param name="Step">Of a training stage: how many steps are committed; of another one: the shard or iteration.</param>
/// <param name="Generation">In training: counts the lists of workers that took steps together; otherwise 0.</param>
/// <param name="Workers">In training: how many take the step together; otherwise 1.</param>
public sealed record HeldStep(int Step, int Generation, int Workers);

/// <summary>
/// Holds stages of a run at the step where a test or a drill wants to act, so that it does not depend on how fast the run is. A file with
/// the name of a stage, in a folder that all processes reach, tells the stage's first step that may not be taken; without a file all may.
/// A process whose step is held says so in a file of its own.
/// </summary>
/// <remarks>
/// In training the coordinator holds a step that all members have computed, so no deadline runs, and commits it all the same when the
/// generation is to end: workers join, leave, pause and die as at any other time, with one step for each change. In other stages the worker
/// holds its work.
/// </remarks>
/// <param name="folder">Null: nothing is ever held.</param>
public sealed class StepHolds(string? folder)
{
    /// <summary>Environment variable with the folder.</summary>
    public const string Variable = "CLIPMOE_HOLDS";

    private const string HeldBy = ".held-";

    /// <summary>How often a step that is held looks whether it is released.</summary>
    public static TimeSpan LookEvery { get; } = TimeSpan.FromMilliseconds(20);

    public static StepHolds None { get; } = new(null);

    public static StepHolds OfThisProcess() => new(Environment.GetEnvironmentVariable(Variable));

    private string Mark(string stage) => Path.Combine(folder!, $"{stage}{HeldBy}{Environment.ProcessId}");

    /// <summary>Steps before this one may be taken, and the others not; replaces what was said of the stage before.</summary>
    public void Hold(string stage, int step) => Write(Path.Combine(folder!, stage), $"{step}");

    /// <summary>All steps of the stage may be taken.</summary>
    public void Release(string stage) => File.Delete(Path.Combine(folder!, stage));

    public bool IsHeld(string stage, int step)
    {
        if (folder is null) return false;
        try
        {
            return step >= int.Parse(File.ReadAllText(Path.Combine(folder, stage)), CultureInfo.InvariantCulture);
        }
        catch (FileNotFoundException)
        {
            return false;
        }
    }

    /// <summary>This process holds a step, until it says that it holds none.</summary>
    public void Tell(string stage, HeldStep held) => Write(Mark(stage), $"{held.Step} {held.Generation} {held.Workers}");

    /// <summary>This process holds no step any more.</summary>
    public void TellReleased(string stage)
    {
        if (folder is not null) File.Delete(Mark(stage));
    }

    /// <summary>The steps of a stage that processes hold now. One that was killed holds nothing.</summary>
    public IReadOnlyList<HeldStep> Held(string stage) =>
        [.. Directory.GetFiles(folder!, $"{stage}{HeldBy}*").Where(f => Directory.Exists($"/proc/{f[(f.LastIndexOf('-') + 1)..]}"))
            .Select(Read).OfType<HeldStep>()];

    /// <summary>Returns when the step may be taken; on a thread that may block.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled meanwhile.</exception>
    public void Wait(string stage, int step, CancellationToken cancellation)
    {
        if (!IsHeld(stage, step)) return;
        Tell(stage, new HeldStep(step, 0, 1));
        try
        {
            while (IsHeld(stage, step))
                if (cancellation.WaitHandle.WaitOne(LookEvery)) cancellation.ThrowIfCancellationRequested();
        }
        finally
        {
            TellReleased(stage);
        }
    }

    private static HeldStep? Read(string mark)
    {
        try
        {
            var parts = File.ReadAllText(mark).Split(' ').Select(p => int.Parse(p, CultureInfo.InvariantCulture)).ToList();
            return new HeldStep(parts[0], parts[1], parts[2]);
        }
        catch (FileNotFoundException)
        {
            // Released meanwhile.
            return null;
        }
    }

    /// <summary>A reader always sees all of it.</summary>
    private static void Write(string file, string text)
    {
        var temporary = Path.Combine(Path.GetDirectoryName(file)!, $".{Path.GetFileName(file)}-{Environment.ProcessId}");
        File.WriteAllText(temporary, text);
        File.Move(temporary, file, overwrite: true);
    }
}
