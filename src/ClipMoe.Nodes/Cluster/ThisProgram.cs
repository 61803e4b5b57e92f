using System.Diagnostics;
using System.Reflection;

namespace ClipMoe.Nodes.Cluster;

/// <summary>How this program starts itself again.</summary>
internal static class ThisProgram
{
    /// <param name="arguments">As on the command line.</param>
    public static ProcessStartInfo With(IEnumerable<string> arguments)
    {
        var executable = Environment.ProcessPath ?? throw new InvalidOperationException("this process does not know its own file");
        var start = new ProcessStartInfo(executable) { RedirectStandardOutput = true, RedirectStandardError = true };
        // Under `dotnet clipmoe.dll` the process is dotnet's and wants the file as its first argument.
        if (Path.GetFileNameWithoutExtension(executable) == "dotnet") start.ArgumentList.Add(Assembly.GetEntryAssembly()!.Location);
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        return start;
    }
}
