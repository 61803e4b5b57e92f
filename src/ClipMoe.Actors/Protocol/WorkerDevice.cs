namespace ClipMoe.Actors.Protocol;

/// <summary>Where a worker computes.</summary>
/// <param name="Name">cpu, or cuda:N.</param>
/// <param name="Threads">libtorch's intra-op threads of one worker; part of what makes results bitwise equal.</param>
public sealed record WorkerDevice(string Name, int Threads);
