using ClipMoe.Model.Files;

namespace ClipMoe.Actors.Data;

/// <summary>Tells output folders apart, also where several machines reach the same one, under whatever names.</summary>
public static class OutputIdentity
{
    private const string FileName = ".output-id";

    /// <summary>What the folder is called by all who reach it; given to it by the first who asks.</summary>
    /// <exception cref="IOException">The folder can't be written.</exception>
    public static string Of(string output)
    {
        var path = Path.Combine(output, FileName);
        if (!File.Exists(path)) Give(path);
        return File.ReadAllText(path);
    }

    private static void Give(string path)
    {
        var own = $"{path}{AtomicFile.TemporaryMark}{Guid.NewGuid():n}";
        AtomicFile.WriteAllText(own, $"{Guid.NewGuid():n}");
        try
        {
            // Whole, and only if nobody else was faster.
            File.Move(own, path, overwrite: false);
        }
        catch (IOException) when (File.Exists(path))
        {
            File.Delete(own);
        }
    }
}
