using ClipMoe.Actors.Files;
using ClipMoe.Model;

namespace ClipMoe.Nodes.Runs;

/// <summary>
/// Keeps two processes from running in one output folder. The lock is the open file, so it ends with its process however that ends.
/// </summary>
internal sealed class RunFolderLock : IDisposable
{
    private readonly FileStream _file;

    private RunFolderLock(FileStream file) => _file = file;

    /// <exception cref="UserErrorException">Another process runs there, or the folder can't be written.</exception>
    public static RunFolderLock Take(RunFolder folder)
    {
        try
        {
            Directory.CreateDirectory(folder.Root);
            return new RunFolderLock(new FileStream(Path.Combine(folder.Root, "run.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite,
                FileShare.None));
        }
        catch (UnauthorizedAccessException e)
        {
            throw new UserErrorException($"{folder.Root} can't be written: choose another --out, or change its permissions.", e);
        }
        catch (IOException e)
        {
            throw new UserErrorException($"{folder.Root} can't be used ({e.Message}): another clipmoe may be running in it; wait for " +
                $"that, or choose another --out.", e);
        }
    }

    public void Dispose() => _file.Dispose();
}
