namespace ClipMoe.Model.Files;

/// <summary>Has processes of one machine take turns. The lock is an open file, so it ends with its process however that ends.</summary>
public sealed class FileLock : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly FileStream _file;

    private FileLock(FileStream file) => _file = file;

    /// <summary>Waits until no other process has it.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled meanwhile.</exception>
    /// <exception cref="UnauthorizedAccessException">The file can't be written.</exception>
    public static FileLock Wait(string path, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                return new FileLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
            }
            catch (IOException) when (File.Exists(path))
            {
                cancellation.WaitHandle.WaitOne(Pause);
                cancellation.ThrowIfCancellationRequested();
            }
        }
    }

    public void Dispose() => _file.Dispose();
}
