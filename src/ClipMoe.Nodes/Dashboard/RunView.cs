using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using ClipMoe.Actors.Experiments;

namespace ClipMoe.Nodes.Dashboard;

internal sealed class RunView(bool json) : IDisposable
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private bool _stopping;
    private double _last;

    public static RunView Create(bool json) => new(json);

    public void Show(RunEvent e)
    {
        if (json)
        {
            var node = JsonSerializer.SerializeToNode(e, e.GetType(), new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower })!.AsObject();
            node.Insert(0, "event", JsonNamingPolicy.SnakeCaseLower.ConvertName(e.GetType().Name.Replace("Event", "")));
            Console.WriteLine(node.ToJsonString());
            return;
        }
        if (e is StageProgress p && p.Done != p.Total && _clock.Elapsed.TotalSeconds - _last < 2) return;
        _last = _clock.Elapsed.TotalSeconds;
        Console.WriteLine(e switch
        {
            StageProgress s => $"{_last,7:f1} s  {s.Stage}  {s.Done}/{s.Total}  loss {s.Loss:f4}  {s.ImagesPerSecond:f0} images/s",
            _ => $"{_last,7:f1} s  {e}",
        });
    }

    public bool Stopping() => !_stopping && (_stopping = true);

    public void Dispose()
    {
    }
}
