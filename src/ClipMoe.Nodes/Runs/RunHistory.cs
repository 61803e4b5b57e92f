using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Journal;
using ClipMoe.Model;
using ClipMoe.Model.Files;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Runs;

/// <summary>What an output folder holds of earlier runs; the folder must be locked.</summary>
/// <param name="Begun">The experiment that the run was started with; null for a new run, and where its file can't be read any more.</param>
/// <param name="State">As its journal tells it.</param>
internal sealed record RunHistory(Experiment? Begun, ExperimentState State)
{
    /// <summary>Makes the folder ready for a run of the experiment, or for continuing with the one in it.</summary>
    /// <exception cref="UserErrorException">It holds a run with a result, and that is not to be resumed.</exception>
    /// <exception cref="IOException">Its journal can't be read.</exception>
    public static RunHistory Open(RunFolder folder, Experiment experiment, bool resume)
    {
        if (File.Exists(folder.Journal))
        {
            var history = Load(folder);
            if (resume) return history;
            if (history.State.Completed.Count > 0)
                throw new UserErrorException($"{folder.Root} holds a run already: add --resume to continue it, or choose another --out.");
            StartOver(folder, experiment, history.State);
        }
        else if (File.Exists(folder.ReportJson))
        {
            throw new UserErrorException($"{folder.Root} holds the report of several seeds, which a single run would replace: choose " +
                $"another --out.");
        }
        AtomicFile.WriteAllText(folder.Experiment, ExperimentYaml.Write(experiment));
        return new RunHistory(experiment, ExperimentState.Empty);
    }

    /// <inheritdoc cref="Open"/>
    public static RunHistory Load(RunFolder folder) =>
        new(TryLoad(folder.Experiment), JournalReader.Read(folder.Journal, PersistenceIds.LocalRun));

    /// <exception cref="UserErrorException">The run is of another experiment.</exception>
    public void Require(RunFolder folder, Experiment experiment, ExperimentInputs inputs, string hash)
    {
        if (State.Accepted is not { } accepted || accepted.Hash == hash) return;
        var differences = Begun is null ? [] : ExperimentHash.Differences(Begun, InputFiles.Recorded(Begun, State.Data), experiment,
            inputs);
        throw new UserErrorException(
            $"{folder.Root} holds a run of another experiment ('{accepted.Name}', {accepted.Hash[..12]}; this one is {hash[..12]})"
            + $"{(differences.Count == 0 ? "" : $": {string.Join(", ", differences)}")}. Choose another --out, or run with the " +
            $"experiment that it was started with.");
    }

    /// <summary>Nothing in the folder is a result: it is as good as empty.</summary>
    private static void StartOver(RunFolder folder, Experiment experiment, ExperimentState state)
    {
        // A benchmark of other settings would be in the way of the new one.
        if (experiment.Data.Path is null && state.Accepted?.DataPath == RunFolder.EmbeddedBenchmark
            && Directory.Exists(folder.BenchmarkData))
            Directory.Delete(folder.BenchmarkData, recursive: true);
        foreach (var file in (string[])["", "-journal", "-wal", "-shm"]) File.Delete(folder.Journal + file);
    }

    private static Experiment? TryLoad(string file)
    {
        try
        {
            return ExperimentFile.Load(file, []);
        }
        catch (UserErrorException)
        {
            return null;
        }
    }
}
