namespace ClipMoe.Nodes.Tests.Browser;

/// <summary>A test with a real browser; skipped, visibly, where Debian's chromium is not installed. CI installs it.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class BrowserFactAttribute : FactAttribute
{
    public BrowserFactAttribute()
    {
        if (!File.Exists(HeadlessBrowser.Program)) Skip = $"{HeadlessBrowser.Program} is not installed (apt-get install chromium).";
    }
}
