using System.Diagnostics;

namespace ClipMoe.Nodes.Tests;

/// <summary>The real program in a process of its own, as people run it.</summary>
internal static class CommandLine
{
    public static Outcome Run(params string[] arguments)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "clipmoe.dll");
        var start = new ProcessStartInfo("dotnet", ["exec", program, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new Outcome(process.ExitCode, output, error.Result);
    }

    public sealed record Outcome(int ExitCode, string Output, string Error);
}
