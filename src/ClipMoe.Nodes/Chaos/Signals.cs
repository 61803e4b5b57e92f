using System.Runtime.InteropServices;

namespace ClipMoe.Nodes.Chaos;

/// <summary>By their numbers on Linux.</summary>
internal enum Signal { Kill = 9, Terminate = 15, Continue = 18, Stop = 19 }

/// <summary>Signals to other processes.</summary>
internal static class Signals
{
    /// <returns>Whether the process was there.</returns>
    public static bool Send(int process, Signal signal) => kill(process, (int)signal) == 0;

    [DllImport("libc")]
    private static extern int kill(int process, int signal);
}
