namespace ClipMoe.Model;

/// <summary>
/// Input that is wrong (a missing or damaged file, a bad setting, data that changed). The message is one plain sentence: what is wrong,
/// where, and what to do. The command line prints it without a stack trace and exits with 2.
/// </summary>
public sealed class UserErrorException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What was named is not there at all, which may be so on this machine only.</summary>
    public bool IsMissing { get; init; }
}
