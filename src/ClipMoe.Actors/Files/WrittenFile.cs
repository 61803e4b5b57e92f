namespace ClipMoe.Actors.Files;

/// <summary>A file in the output folder (relative path) with its SHA-256.</summary>
public sealed record WrittenFile(string Path, string Sha256);
