namespace ClipMoe.Nodes.CommandLine;

/// <summary>Exit codes of every <c>clipmoe</c> command.</summary>
internal static class ExitCodes
{
    public const int Success = 0, Failure = 1, WrongInput = 2, Interrupted = 130;
}
