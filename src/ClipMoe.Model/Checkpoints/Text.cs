namespace ClipMoe.Model.Checkpoints;

internal static class Text
{
    private const int MaxShown = 200;

    /// <summary>A name out of a file as it may be printed: in quotes, cut when very long, without characters that steer a terminal.</summary>
    public static string Quote(string name)
    {
        var shown = name.Length <= MaxShown ? name : $"{name.AsSpan(0, MaxShown)}…";
        return $"\"{string.Concat(shown.Select(c => char.IsControl(c) ? '?' : c))}\"";
    }
}
