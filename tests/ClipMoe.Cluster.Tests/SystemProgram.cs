using System.Diagnostics;

namespace ClipMoe.Cluster.Tests;

/// <summary>Short programs that change the machine.</summary>
internal static class SystemProgram
{
    /// <returns>What it complained of; null when it did what it was to do.</returns>
    /// <exception cref="System.ComponentModel.Win32Exception">It is not installed.</exception>
    public static string? Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? null : errors.Trim();
    }
}
