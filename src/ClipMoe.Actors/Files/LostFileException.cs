namespace ClipMoe.Actors.Files;

/// <summary>A file of the run is nowhere as it was written. What was made from it is recomputed, if possible.</summary>
public sealed class LostFileException(WrittenFile file, string message, Exception inner) : IOException(message, inner)
{
    public WrittenFile File => file;
}
