using System.Diagnostics;
using System.Text.Json;

namespace ClipMoe.Nodes.Bench;

/// <summary>Another process of this program that takes part in a measurement.</summary>
internal static class BenchProcess
{
    /// <summary>Starts a hidden command of <c>clipmoe bench</c>, whose standard input and output are then the caller's to use.</summary>
    public static Process Start(string command, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true };
        // Under "dotnet clipmoe.dll" the process is dotnet, and needs the program's name again.
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(Environment.GetCommandLineArgs()[0]);
        foreach (var argument in (IEnumerable<string>)["bench", command, .. arguments]) start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    /// <summary>A line of JSON to its standard input.</summary>
    public static void Tell<T>(Process process, T message) => process.StandardInput.WriteLine(JsonSerializer.Serialize(message));

    /// <summary>A line of JSON from its standard output.</summary>
    /// <exception cref="IOException">It ended before.</exception>
    public static T Hear<T>(Process process) => process.StandardOutput.ReadLine() is { } line
        ? JsonSerializer.Deserialize<T>(line)!
        : throw new IOException("a process of the measurement ended early; its reason is above");

    /// <summary>Closes the input of each, and kills those that don't end by that.</summary>
    public static void End(IReadOnlyList<Process> processes)
    {
        foreach (var process in processes) process.StandardInput.Close();
        foreach (var process in processes)
        {
            if (!process.WaitForExit(TimeSpan.FromSeconds(5))) process.Kill();
            process.Dispose();
        }
    }
}
