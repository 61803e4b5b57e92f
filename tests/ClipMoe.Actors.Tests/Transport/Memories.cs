using ClipMoe.Model.Native;

namespace ClipMoe.Actors.Tests.Transport;

/// <summary>Memory as a replica's gradients have it.</summary>
internal sealed class Memories : IDisposable
{
    private readonly List<SharedMemory> _all = [];

    public Memory<float> New(int length)
    {
        _all.Add(SharedMemory.Create(length));
        return _all[^1].Memory;
    }

    public void Dispose() => _all.ForEach(m => m.Dispose());
}
