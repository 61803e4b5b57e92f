namespace ClipMoe.Actors.Simulation;

/// <summary>Messages between processes and their bytes: content and manifests, without what Akka puts around them.</summary>
public readonly record struct Traffic(long Messages, long Bytes)
{
    public static Traffic operator -(Traffic a, Traffic b) => new(a.Messages - b.Messages, a.Bytes - b.Bytes);
}

/// <summary>
/// What the coordinating process had done since its start when the first message of a commit left it. All reports of the step had come
/// then, and none of the next one, so the difference between two marks is exactly what the steps between them took.
/// </summary>
/// <param name="Timestamp">Of <see cref="System.Diagnostics.Stopwatch"/>.</param>
/// <param name="Cpu">Of all threads of the process.</param>
public sealed record CommitMark(int Generation, int Step, long Timestamp, TimeSpan Cpu, Traffic Sent, Traffic Received);
