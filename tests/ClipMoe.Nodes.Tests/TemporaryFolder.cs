namespace ClipMoe.Nodes.Tests;

/// <summary>A new folder, removed with all that is in it at the end of the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
