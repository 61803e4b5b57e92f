using System.Diagnostics;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Nodes.CommandLine;
using ClipMoe.Nodes.Dashboard.Live;
using ClipMoe.Nodes.Runs;

namespace ClipMoe.Nodes.Chaos;

/// <summary>What an experiment ends in, and how fast, with nothing going wrong.</summary>
internal sealed record UndisturbedRun(string WeightsSha256, double StepsPerSecond)
{
    /// <summary>Runs it in this process with one worker.</summary>
    /// <param name="folder">Is deleted afterwards.</param>
    /// <exception cref="OperationCanceledException">A signal stopped it.</exception>
    public static async Task<UndisturbedRun> RunToEnd(Experiment experiment, string folder, string device)
    {
        using var view = new StepCount();
        var clock = Stopwatch.StartNew();
        var exitCode = await LocalRun.Run(
            experiment, new RunFolder(folder), new ResourceWishes(device, Workers: 1, ClusterPlan.ThreadsPerWorker), resume: false, view);
        if (exitCode != ExitCodes.Success) throw new OperationCanceledException("the undisturbed run was stopped");
        Directory.Delete(folder, recursive: true);
        return new UndisturbedRun(view.WeightsSha256, view.Steps / clock.Elapsed.TotalSeconds);
    }

    private sealed class StepCount : RunView
    {
        public int Steps { get; private set; }

        public string WeightsSha256 { get; private set; } = "";

        protected override void Display(RunEvent e)
        {
            if (e is StageProgress { Generation: not null }) Steps++;
            if (e is RunEnded ended) WeightsSha256 = ended.WeightsSha256;
        }
    }
}
