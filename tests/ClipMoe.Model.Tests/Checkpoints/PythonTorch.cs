using System.Diagnostics;

namespace ClipMoe.Model.Tests.Checkpoints;

/// <summary>Debian's python3 with its python3-torch, to check our files against the real thing.</summary>
internal static class PythonTorch
{
    private const string Interpreter = "/usr/bin/python3";

    /// <summary>Looking for the package is enough and, unlike importing it, fast.</summary>
    private static readonly Lazy<bool> Present = new(() =>
        File.Exists(Interpreter) && Start("import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)",
            []).ExitCode == 0);

    /// <summary>Null where the test can run, and on a build server, where it must.</summary>
    public static string? SkipReason =>
        Present.Value || Environment.GetEnvironmentVariable("CI") == "true" ? null
        : $"{Interpreter} has no torch: apt-get install python3-torch";

    /// <summary>Standard output of a Python program, whose arguments are in <c>sys.argv[1:]</c>.</summary>
    public static string Run(string program, params string[] arguments)
    {
        var (exitCode, output, error) = Start(program, arguments);
        Assert.True(exitCode == 0, error);
        return output;
    }

    private static (int ExitCode, string Output, string Error) Start(string program, string[] arguments)
    {
        // TorchScript asks for the source of what it compiles, so the program must be a file.
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("program.py"), program);
        var start = new ProcessStartInfo(Interpreter, [folder.File("program.py"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["OMP_NUM_THREADS"] = "1";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}

/// <summary>A test that needs Python's torch; skipped where there is none, except on a build server (<c>CI=true</c>).</summary>
public sealed class PythonTorchFactAttribute : FactAttribute
{
    public PythonTorchFactAttribute() => Skip = PythonTorch.SkipReason;
}
