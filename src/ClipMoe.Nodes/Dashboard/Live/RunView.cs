using ClipMoe.Actors.Experiments;
using Spectre.Console;

namespace ClipMoe.Nodes.Dashboard.Live;

/// <summary>Shows a run while it goes on. Events may come from any thread, one at a time.</summary>
internal abstract class RunView : IDisposable
{
    private int _stops;

    /// <summary>JSON lines when asked for, a live screen on a terminal, plain lines otherwise.</summary>
    public static RunView Create(bool json)
    {
        if (json) return new JsonView(Console.Out, TimeProvider.System);
        var console = AnsiConsole.Console;
        var terminal = !Console.IsOutputRedirected && console.Profile.Capabilities is { Ansi: true, Interactive: true };
        return terminal ? new LiveView(console, TimeProvider.System) : new PlainView(Console.Out, TimeProvider.System);
    }

    public abstract void Show(RunEvent e);

    /// <summary>The run was asked to stop.</summary>
    /// <returns>False when it had been before: then the process ends as the signal says.</returns>
    public bool Stopping()
    {
        var first = Interlocked.Increment(ref _stops) == 1;
        if (first) Show(new RunWarning("Stopping at a checkpoint; once more ends at once, and loses what came after the last one."));
        return first;
    }

    public virtual void Dispose()
    {
    }
}
