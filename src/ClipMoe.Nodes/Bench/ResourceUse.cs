using System.Diagnostics;

namespace ClipMoe.Nodes.Bench;

/// <summary>Time and memory (10⁶ bytes, beyond what was in use before) of a piece of work.</summary>
/// <param name="CpuSeconds">Of all threads: what stays the same when others use the machine.</param>
/// <param name="HeldMegabytes">Managed memory of its result.</param>
/// <param name="PeakManagedMegabytes">The most managed memory while it ran, garbage not yet collected included.</param>
/// <param name="PeakResidentMegabytes">
/// The most memory of the process while it ran: pages of mapped files count too, though the system may take them back.
/// </param>
internal sealed record ResourceUse(
    double Seconds, double CpuSeconds, double HeldMegabytes, double PeakManagedMegabytes, double PeakResidentMegabytes)
{
    private const int SamplingMilliseconds = 5;

    public static (T Result, ResourceUse Use) Of<T>(Func<T> work)
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        var (managed, resident) = (GC.GetTotalMemory(forceFullCollection: true), Environment.WorkingSet);
        var (peakManaged, peakResident) = (managed, resident);
        using var done = new ManualResetEventSlim();
        var sampler = new Thread(() =>
        {
            do
            {
                peakManaged = Math.Max(peakManaged, GC.GetTotalMemory(forceFullCollection: false));
                peakResident = Math.Max(peakResident, Environment.WorkingSet);
            }
            while (!done.Wait(SamplingMilliseconds));
        });
        sampler.Start();
        var (clock, cpuBefore) = (Stopwatch.StartNew(), Environment.CpuUsage.TotalTime);
        var result = work();
        var (seconds, cpu) = (clock.Elapsed.TotalSeconds, (Environment.CpuUsage.TotalTime - cpuBefore).TotalSeconds);
        done.Set();
        sampler.Join();
        peakResident = Math.Max(peakResident, Environment.WorkingSet);
        var held = GC.GetTotalMemory(forceFullCollection: true) - managed;
        GC.KeepAlive(result);
        return (result, new ResourceUse(seconds, cpu, held / 1e6, (peakManaged - managed) / 1e6, (peakResident - resident) / 1e6));
    }
}
