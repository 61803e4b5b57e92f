using Akka.Actor;
using Akka.Dispatch;
using Akka.Event;

namespace ClipMoe.Actors.Hosting;

/// <summary>What the actor system says for debugging; what users must know are events of the run.</summary>
public static class Diagnostics
{
    /// <summary>Environment variable that is set to 1 for debugging.</summary>
    public const string DebugVariable = "CLIPMOE_DEBUG";

    internal static bool Debugging => Environment.GetEnvironmentVariable(DebugVariable) == "1";

    /// <summary>
    /// Akka configuration: warnings on standard error when asked for, else nothing. Standard output belongs to the run's events.
    /// </summary>
    internal static string Logging => Debugging
        ? $"akka {{ stdout-loglevel = OFF, loglevel = WARNING, loggers = [\"{typeof(StandardErrorLogger).AssemblyQualifiedName}\"] }}"
        : "akka { stdout-loglevel = OFF, loglevel = OFF }";
}

/// <summary>
/// Writes log events to standard error, a line each: when, how bad, what, where, and the same once a minute: of a node out of reach Akka
/// speaks every second. For debugging all of them are shown, with stack traces.
/// </summary>
internal sealed class StandardErrorLogger : ReceiveActor, IRequiresMessageQueue<ILoggerMessageQueueSemantics>
{
    private readonly Repetitions _repetitions = new();

    public StandardErrorLogger()
    {
        Receive<InitializeLogger>(_ => Sender.Tell(new LoggerInitialized()));
        Receive<LogEvent>(e =>
        {
            if (Diagnostics.Debugging) Console.Error.WriteLine(e);
            else if (_repetitions.Say(e.Timestamp, e.GetTemplate(), Line(e)) is { } line) Console.Error.WriteLine(line);
        });
    }

    internal static string Line(LogEvent e)
    {
        var cause = e.Cause is { } thrown ? $": {FirstLine(thrown.GetBaseException().Message)}" : "";
        var level = e.LogLevel().ToString().Replace("Level", "").ToLowerInvariant();
        return $"{e.Timestamp.ToLocalTime():HH:mm:ss.fff} {level}: {FirstLine($"{e.Message}")}{cause} ({e.LogSource})";
    }

    private static string FirstLine(string text) => text.ReplaceLineEndings("\n").Split('\n')[0];
}

/// <summary>Keeps back what was said less than a minute ago, and counts it.</summary>
internal sealed class Repetitions
{
    private static readonly TimeSpan Silence = TimeSpan.FromMinutes(1);

    /// <summary>Texts without end must not fill the memory.</summary>
    private const int Most = 10_000;

    private readonly Dictionary<string, (DateTime Said, int Since)> _said = [];

    /// <param name="what">Is the same for lines that say the same.</param>
    /// <returns>Null when it is kept back.</returns>
    public string? Say(DateTime at, string what, string line)
    {
        if (_said.Count > Most) _said.Clear();
        var (said, since) = _said.GetValueOrDefault(what);
        var silent = at - said < Silence;
        _said[what] = silent ? (said, since + 1) : (at, 0);
        return silent ? null : since == 0 ? line : $"{line}, and {since} times more since {said.ToLocalTime():HH:mm:ss}";
    }
}
