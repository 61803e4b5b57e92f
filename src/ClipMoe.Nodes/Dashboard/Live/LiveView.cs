using ClipMoe.Actors.Experiments;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace ClipMoe.Nodes.Dashboard.Live;

/// <summary>A screen that follows the run, drawn a few times a second by a thread of its own, whatever number of events comes.</summary>
internal sealed class LiveView : RunView
{
    private const int RefreshMilliseconds = 200;

    private readonly RunProgress _progress = new();
    private readonly IAnsiConsole _console;
    private readonly TimeProvider _clock;
    private readonly long _start;
    private readonly ManualResetEventSlim _ended = new();
    private readonly Thread _thread;

    public LiveView(IAnsiConsole console, TimeProvider clock)
    {
        (_console, _clock, _start) = (console, clock, clock.GetTimestamp());
        _thread = new Thread(() => Succeeds(Follow)) { IsBackground = true, Name = "live view" };
        _thread.Start();
    }

    protected override void Display(RunEvent e)
    {
        lock (_progress) _progress.Apply(e, _clock.GetElapsedTime(_start));
    }

    public override void Dispose()
    {
        _ended.Set();
        _thread.Join();
        _ended.Dispose();
        Succeeds(Conclude);
    }

    private void Conclude()
    {
        // On the screen there was one line for each, at most.
        foreach (var warning in _progress.Warnings) _console.WriteLine(warning);
        if (_progress.End is not { } end) return;
        _console.WriteLine($"Checkpoint  {end.Checkpoint}");
        _console.WriteLine($"Weights     {end.WeightsSha256}");
        _console.WriteLine($"Report      {end.ReportFile}");
    }

    private void Follow() => _console.Live(Draw()).AutoClear(false).Overflow(VerticalOverflow.Crop).Start(live =>
    {
        while (!_ended.Wait(RefreshMilliseconds)) live.UpdateTarget(Draw());
        live.UpdateTarget(Draw(over: true));
    });

    private IRenderable Draw(bool over = false)
    {
        lock (_progress) return LiveScreen.Draw(_progress, _clock.GetElapsedTime(_start), _console.Profile, over);
    }
}
