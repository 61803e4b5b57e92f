using System.Diagnostics;

namespace ClipMoe.Nodes.Chaos;

/// <summary>The processes of this machine, by their command lines.</summary>
internal static class ProcessTable
{
    /// <summary>Those whose command line has a text in it, with that command line.</summary>
    public static IReadOnlyList<(int Id, string CommandLine)> With(string text) =>
        [.. Directory.EnumerateDirectories("/proc").Select(p => int.TryParse(Path.GetFileName(p), out var id) ? id : 0).Where(id => id > 0)
            .Select(id => (Id: id, CommandLine: CommandLineOf(id))).Where(p => p.CommandLine.Contains(text, StringComparison.Ordinal))];

    /// <summary>Since the process was started; null when it is gone.</summary>
    public static TimeSpan? AgeOf(int process)
    {
        try
        {
            using var found = Process.GetProcessById(process);
            return DateTime.Now - found.StartTime;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private static string CommandLineOf(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline").Replace('\0', ' ');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
