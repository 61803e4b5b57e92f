namespace ClipMoe.Actors.Transport.Connections;

/// <summary>What to do to a frame that is about to be sent.</summary>
public enum FaultAction
{
    None,

    /// <summary>Flips one bit of the payload, after its checksum was taken.</summary>
    FlipBit,

    /// <summary>Closes the stream in place of sending the frame.</summary>
    CloseStream,

    /// <summary>Sends the frame twice.</summary>
    Repeat,
}

/// <summary>A frame as the fault hook sees it.</summary>
/// <param name="Ordinal">Frames of this kind that went to this peer in this generation before it.</param>
public readonly record struct FrameSite(string Stage, int Generation, int From, int To, FrameKind Kind, int Ordinal);

/// <summary>Called on the sending thread before each frame between members of a generation.</summary>
public delegate FaultAction FrameFault(FrameSite site);
