namespace ClipMoe.Nodes.Bench;

/// <summary>A folder for what a measurement writes; gone with it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("clipmoe-bench-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
