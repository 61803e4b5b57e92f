namespace ClipMoe.Actors.Protocol;

/// <summary>How a member gets to where its generation begins.</summary>
public enum CatchUp
{
    /// <summary>Its replica is at that step already.</summary>
    InPlace,

    /// <summary>It has the gradient of the last committed step, and was not told to apply it.</summary>
    Apply,

    /// <summary>It copies weights and moments from members that are at that step.</summary>
    Copy,
}
