using System.Diagnostics;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace ClipMoe.Nodes.Tests.Browser;

/// <summary>A headless Chromium with one page, driven over its DevTools protocol.</summary>
internal sealed class HeadlessBrowser : IAsyncDisposable
{
    public const string Program = "/usr/bin/chromium";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static readonly string[] Flags =
    [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-port=0", "about:blank",
    ];

    private readonly Process _process;
    private readonly DirectoryInfo _profile;
    private readonly ClientWebSocket _socket = new();
    private readonly CancellationTokenSource _deadline = new(Patience);
    private readonly List<JsonNode> _events = [];
    private int _messages;

    private HeadlessBrowser(Process process, DirectoryInfo profile) => (_process, _profile) = (process, profile);

    /// <summary>What the page said on its console, and what the browser had to say against it.</summary>
    public IReadOnlyList<string> Complaints => [.. _events
        .Where(e => (string?)e["method"] is "Runtime.consoleAPICalled" or "Runtime.exceptionThrown" or "Log.entryAdded")
        .Select(e => e["params"]!.ToJsonString())];

    public static async Task<HeadlessBrowser> Start()
    {
        var profile = Directory.CreateTempSubdirectory("clipmoe-browser-");
        var start = new ProcessStartInfo(Program, [$"--user-data-dir={profile.FullName}", .. Flags]) { RedirectStandardError = true };
        var browser = new HeadlessBrowser(Process.Start(start)!, profile);
        try
        {
            var port = await browser.DebuggingPort();
            using var http = new HttpClient();
            var targets = JsonNode.Parse(await http.GetStringAsync($"http://127.0.0.1:{port}/json", browser._deadline.Token))!.AsArray();
            var page = targets.First(t => (string?)t!["type"] == "page")!;
            await browser._socket.ConnectAsync(new Uri((string)page["webSocketDebuggerUrl"]!), browser._deadline.Token);
            foreach (var domain in (string[])["Page", "Runtime", "Log"]) await browser.Call($"{domain}.enable");
            return browser;
        }
        catch
        {
            await browser.DisposeAsync();
            throw;
        }
    }

    /// <summary>Opens a file in a window of a given size, in light or dark.</summary>
    public async Task Open(string path, int width, int height, bool dark)
    {
        await Call("Emulation.setDeviceMetricsOverride", new { width, height, deviceScaleFactor = 1, mobile = false });
        var scheme = new { name = "prefers-color-scheme", value = dark ? "dark" : "light" };
        await Call("Emulation.setEmulatedMedia", new { features = new[] { scheme } });
        _events.RemoveAll(e => (string?)e["method"] == "Page.loadEventFired");
        await Call("Page.navigate", new { url = new Uri(path).AbsoluteUri });
        while (_events.All(e => (string?)e["method"] != "Page.loadEventFired")) _events.Add(await Receive());
    }

    /// <summary>The value of a JavaScript expression in the page.</summary>
    public async Task<JsonNode> Evaluate(string expression)
    {
        var result = await Call("Runtime.evaluate", new { expression, returnByValue = true });
        return result["result"]!["value"] ?? throw new InvalidOperationException($"{expression}: {result.ToJsonString()}");
    }

    /// <returns>PNG of the window, or of the whole page.</returns>
    public async Task<byte[]> Screenshot(bool wholePage = false) =>
        Convert.FromBase64String((string)(await Call("Page.captureScreenshot", new
        {
            format = "png",
            captureBeyondViewport = wholePage
        }))["data"]!);

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
        _deadline.Dispose();
        try
        {
            _profile.Delete(recursive: true);
        }
        catch (IOException)
        {
            // A process of the browser that has just been killed may still have been writing.
        }
    }

    /// <summary>Chromium says on its standard error where it listens.</summary>
    private async Task<int> DebuggingPort()
    {
        while (await _process.StandardError.ReadLineAsync(_deadline.Token) is { } line)
        {
            const string start = "DevTools listening on ";
            if (!line.StartsWith(start, StringComparison.Ordinal)) continue;
            // The pipe must not fill up.
            _ = _process.StandardError.ReadToEndAsync();
            return new Uri(line[start.Length..]).Port;
        }
        throw new InvalidOperationException("chromium ended before it listened");
    }

    private async Task<JsonNode> Call(string method, object? parameters = null)
    {
        var id = ++_messages;
        var message = JsonSerializer.SerializeToUtf8Bytes(new { id, method, @params = parameters ?? new { } });
        await _socket.SendAsync(message, WebSocketMessageType.Text, endOfMessage: true, _deadline.Token);
        while (true)
        {
            var answer = await Receive();
            if ((int?)answer["id"] != id) _events.Add(answer);
            else return answer["result"] ?? throw new InvalidOperationException($"{method}: {answer["error"]!.ToJsonString()}");
        }
    }

    private async Task<JsonNode> Receive()
    {
        using var message = new MemoryStream();
        var buffer = new byte[1 << 16];
        while (true)
        {
            var part = await _socket.ReceiveAsync(buffer, _deadline.Token);
            message.Write(buffer, 0, part.Count);
            if (part.EndOfMessage) return JsonNode.Parse(message.ToArray())!;
        }
    }
}
