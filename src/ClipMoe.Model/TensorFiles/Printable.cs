namespace ClipMoe.Model.TensorFiles;

/// <summary>Names out of files, as they may be printed: without characters that steer a terminal.</summary>
public static class Printable
{
    private const int MaxShown = 200;

    /// <summary>In quotes, cut when very long.</summary>
    public static string Quote(string name) => $"\"{Clean(name.Length <= MaxShown ? name : $"{name.AsSpan(0, MaxShown)}…")}\"";

    public static string Clean(string name) => string.Concat(name.Select(c => char.IsControl(c) ? '?' : c));
}
