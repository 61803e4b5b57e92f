namespace ClipMoe.Nodes.Tests.Browser;

/// <summary>
/// A test with a real browser; skipped, visibly, where Debian's chromium is not installed, except on a build server (<c>CI=true</c>).
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class BrowserFactAttribute : FactAttribute
{
    public BrowserFactAttribute()
    {
        if (!File.Exists(HeadlessBrowser.Program) && Environment.GetEnvironmentVariable("CI") != "true")
            Skip = $"{HeadlessBrowser.Program} is not installed (apt-get install chromium).";
    }
}
