using System.CommandLine;
using ClipMoe.Nodes.Bench;

namespace ClipMoe.Nodes.Commands;

/// <summary>
/// <c>clipmoe bench</c>: the speed of one part on this machine; one file per part in <c>Bench/</c>, listed here and nowhere else.
/// </summary>
internal static class BenchCommand
{
    public static Command Build() => new("bench", "Measures the speed of one part on this machine.")
    {
        AllReduceBench.Build(),
        AllReduceBench.BuildWorker(),
        HealBench.Build(),
        HealBench.BuildDonor(),
        ImagesBench.Build(),
        KMeansBench.Build(),
        LabelsBench.Build(),
        ProtocolBench.Build(),
        ProtocolBench.BuildWorkers(),
        RecoveryBench.Build(),
        TokenizerBench.Build(),
        TrainBench.Build(),
    };
}
