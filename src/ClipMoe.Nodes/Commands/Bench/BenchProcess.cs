using System.Diagnostics;

namespace ClipMoe.Nodes.Commands.Bench;

/// <summary>Another process of this program that takes part in a measurement.</summary>
internal static class BenchProcess
{
    /// <summary>Starts a hidden command of <c>clipmoe bench</c>, whose standard input and output are then the caller's to use.</summary>
    public static Process Start(string command, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true };
        // Under "dotnet clipmoe.dll" the process is dotnet, and needs the program's name again.
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet") start.ArgumentList.Add(Environment.GetCommandLineArgs()[0]);
        foreach (var argument in (IEnumerable<string>)["bench", command, .. arguments]) start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }
}
