using ClipMoe.Nodes.CommandLine;

namespace ClipMoe.Nodes.Cluster;

/// <summary>Tells by standard input, which closes with it, when the parent process ends.</summary>
internal static class ParentProcess
{
    /// <summary>From now on this process ends, without ado, when its standard input does.</summary>
    /// <param name="heard">Gets what the parent writes, line by line, on a thread of its own.</param>
    public static void LiveNoLongerThanIt(Action<string> heard) => new Thread(() =>
    {
        while (Console.In.ReadLine() is { } line) heard(line);
        Environment.Exit(ExitCodes.Failure);
    })
    {
        IsBackground = true,
        Name = "parent",
    }.Start();
}
