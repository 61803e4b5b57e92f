namespace ClipMoe.Actors.Transport;

/// <summary>A sum that is made when it is asked for, where nothing can be exchanged while the caller computes.</summary>
internal sealed class SumOnCompletion(Func<UInt128> sum) : ISumInProgress
{
    public UInt128 Complete() => sum();

    public void Dispose()
    {
    }
}
