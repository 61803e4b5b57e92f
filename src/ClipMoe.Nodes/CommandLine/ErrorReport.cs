using System.Reflection;
using ClipMoe.Actors.Hosting;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Nodes.CommandLine;

/// <summary>What a user is told of an unexpected exception.</summary>
internal static class ErrorReport
{
    /// <summary>Whether the user asked for stack traces.</summary>
    public static bool Debugging => Environment.GetEnvironmentVariable(Diagnostics.DebugVariable) == "1";

    /// <summary>One line: what happened, without the wrappers of other threads and static initializers, and how to learn where.</summary>
    public static string Sentence(Exception e)
    {
        var cause = e;
        while (cause is AggregateException or TypeInitializationException or TargetInvocationException
            && cause.InnerException is { } inner) cause = inner;
        // libtorch appends a stack of its own.
        var what = Printable.Clean(cause.Message.ReplaceLineEndings("\n").Split('\n')[0].Trim().TrimEnd('.', ':'));
        if (what == "") what = cause.GetType().Name;
        return Debugging ? $"{what}." : $"{what}. {Diagnostics.DebugVariable}=1 shows where this happened.";
    }
}
