using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.CommandLine;
using Spectre.Console;

namespace ClipMoe.Nodes.Dashboard.Live;

/// <summary>Shows a run in progress. Events may come from any thread, one at a time.</summary>
internal abstract class RunView : IDisposable
{
    private int _stops;
    private volatile bool _failed;

    /// <summary>JSON lines when asked for, a live screen on a terminal, plain lines otherwise.</summary>
    public static RunView Create(bool json)
    {
        if (json) return new JsonView(Console.Out, TimeProvider.System);
        var console = AnsiConsole.Console;
        var terminal = !Console.IsOutputRedirected && console.Profile.Capabilities is { Ansi: true, Interactive: true };
        return terminal ? new LiveView(console, TimeProvider.System) : new PlainView(Console.Out, TimeProvider.System);
    }

    /// <summary>Shows it as well as it can: a view that fails is given up, the run continues without it.</summary>
    public void Show(RunEvent e)
    {
        if (!_failed && !Succeeds(() => Display(e))) _failed = true;
    }

    protected abstract void Display(RunEvent e);

    /// <summary>False when it threw, which is then said on standard error.</summary>
    protected static bool Succeeds(Action show)
    {
        try
        {
            show();
            return true;
        }
        catch (Exception e)
        {
            Console.Error.WriteLine($"clipmoe: the run can no longer be shown, but continues. {ErrorReport.Sentence(e)}");
            return false;
        }
    }

    /// <summary>The run was asked to stop.</summary>
    /// <returns>False when it had been before: then the process ends as the signal says.</returns>
    public bool Stopping()
    {
        var first = Interlocked.Increment(ref _stops) == 1;
        if (first) Show(new RunWarning(
            "Stopping at the next checkpoint. Press Ctrl-C again to quit now and lose progress since the last one."));
        return first;
    }

    public virtual void Dispose()
    {
    }
}
