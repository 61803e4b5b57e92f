using System.Diagnostics;
using System.Text.Json;
using System.Threading.Channels;

namespace ClipMoe.Nodes.Tests.Runs;

/// <summary>The real program in a process of its own, its output read line by line as it comes.</summary>
internal sealed class ClipMoeProcess : IDisposable
{
    private readonly Process _process;
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly Task<string> _errors;

    private ClipMoeProcess(Process process)
    {
        _process = process;
        _errors = process.StandardError.ReadToEndAsync();
        _ = ReadOutput();
    }

    public static ClipMoeProcess Start(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "clipmoe.dll"));
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        return new ClipMoeProcess(Process.Start(start)!);
    }

    /// <summary>Runs to the end: exit code, lines of output, whatever went to standard error.</summary>
    public static async Task<(int ExitCode, IReadOnlyList<string> Output, string Errors)> Run(params string[] arguments)
    {
        using var process = Start(arguments);
        var lines = new List<string>();
        await foreach (var line in process.Lines()) lines.Add(line);
        return (await process.ExitCode(), lines, await process._errors);
    }

    public IAsyncEnumerable<string> Lines() => _lines.Reader.ReadAllAsync();

    /// <summary>The events of <c>--json</c>; there is nothing else on standard output.</summary>
    public async IAsyncEnumerable<JsonElement> Events()
    {
        await foreach (var line in Lines()) yield return JsonDocument.Parse(line).RootElement;
    }

    public async Task<int> ExitCode()
    {
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    public Task<string> Errors => _errors;

    /// <summary>kill -9.</summary>
    public void Kill() => _process.Kill();

    /// <summary>What Ctrl-C in a terminal sends.</summary>
    public void Interrupt() => Signal(2);

    public void Signal(int number)
    {
        using var kill = Process.Start("kill", [$"-{number}", _process.Id.ToString()]);
        kill.WaitForExit();
    }

    /// <summary>Returns when the process has mapped a native library.</summary>
    public async Task HasLoaded(string library)
    {
        while (!(await File.ReadAllTextAsync($"/proc/{_process.Id}/maps")).Contains(library)) await Task.Yield();
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
    }

    private async Task ReadOutput()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line) _lines.Writer.TryWrite(line);
        _lines.Writer.Complete();
    }
}
