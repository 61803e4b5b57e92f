using Akka.Actor;
using Akka.Dispatch;
using Akka.Event;

namespace ClipMoe.Actors.Hosting;

/// <summary>What the actor system says for those who look for a fault; what users must know are events of the run.</summary>
public static class Diagnostics
{
    /// <summary>Environment variable that is set to 1 by those who look for a fault.</summary>
    public const string DebugVariable = "CLIPMOE_DEBUG";

    internal static bool Debugging => Environment.GetEnvironmentVariable(DebugVariable) == "1";

    /// <summary>Akka configuration: warnings on standard error when asked for, else nothing. Standard output belongs to the run's events.</summary>
    internal static string Logging => Debugging
        ? $"akka {{ stdout-loglevel = OFF, loglevel = WARNING, loggers = [\"{typeof(StandardErrorLogger).AssemblyQualifiedName}\"] }}"
        : "akka { stdout-loglevel = OFF, loglevel = OFF }";
}

/// <summary>Writes log events to standard error, a line each: when, how bad, what, where. Who looks for a fault gets the stack trace too.</summary>
internal sealed class StandardErrorLogger : ReceiveActor, IRequiresMessageQueue<ILoggerMessageQueueSemantics>
{
    public StandardErrorLogger()
    {
        Receive<InitializeLogger>(_ => Sender.Tell(new LoggerInitialized()));
        Receive<LogEvent>(e => Console.Error.WriteLine(Diagnostics.Debugging ? e.ToString() : Line(e)));
    }

    internal static string Line(LogEvent e)
    {
        var cause = e.Cause is { } thrown ? $": {FirstLine(thrown.GetBaseException().Message)}" : "";
        var level = e.LogLevel().ToString().Replace("Level", "").ToLowerInvariant();
        return $"{e.Timestamp.ToLocalTime():HH:mm:ss.fff} {level}: {FirstLine($"{e.Message}")}{cause} ({e.LogSource})";
    }

    private static string FirstLine(string text) => text.ReplaceLineEndings("\n").Split('\n')[0];
}
