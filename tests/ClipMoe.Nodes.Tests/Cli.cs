using System.Diagnostics;

namespace ClipMoe.Nodes.Tests;

/// <summary>The real program in a process of its own, as people run it.</summary>
internal static class Cli
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    public static Outcome Run(params string[] arguments) => Run(input: [], arguments);

    /// <param name="input">What the program finds on its standard input.</param>
    public static Outcome Run(byte[] input, string[] arguments) => Run(input, arguments, environment: []);

    /// <param name="environment">Variables beside those of this process.</param>
    public static Outcome Run(byte[] input, string[] arguments, Dictionary<string, string> environment)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "clipmoe.dll");
        var start = new ProcessStartInfo("dotnet", ["exec", program, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        Feed(process, input);
        if (!process.WaitForExit(Patience))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"clipmoe {string.Join(' ', arguments)} does not end: {output.Result}{error.Result}");
        }
        return new Outcome(process.ExitCode, output.Result, error.Result);
    }

    private static void Feed(Process process, byte[] input)
    {
        try
        {
            process.StandardInput.BaseStream.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The program ended without reading all of it.
        }
    }

    public sealed record Outcome(int ExitCode, string Output, string Error);
}
