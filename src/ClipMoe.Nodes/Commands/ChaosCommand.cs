using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using ClipMoe.Actors.Experiments;
using ClipMoe.Model;
using ClipMoe.Nodes.Chaos;
using ClipMoe.Nodes.Cluster;
using ClipMoe.Nodes.CommandLine;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe chaos</c>: a cluster on this machine, and faults at random.</summary>
internal static partial class ChaosCommand
{
    private const string Preset = "tiny";

    private const string Examples = """

        Examples:
          clipmoe chaos                                              three minutes, three nodes, the preset tiny
          clipmoe chaos --minutes 60 --seed 7 --json                 the faults of seed 7, for an hour
          clipmoe chaos my.yaml --nodes 2 --devices cpu*2 --minutes 30
          clipmoe chaos --journal "Host=db;Database=chaos;Username=clipmoe"   three coordinators, any of which may be killed
        """;

    public static Command Build()
    {
        var file = new Argument<FileInfo?>("EXPERIMENT")
        {
            Description = $"Experiment in YAML; without it the preset {Preset}.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var sets = SetOption.Create();
        var minutes = new Option<double>("--minutes")
        {
            Description = "How long faults are injected; the experiment that runs at that time still runs to its end.",
            DefaultValueFactory = _ => 3,
            HelpName = "M",
        };
        minutes.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double>() is not (> 0 and <= 100_000)) result.AddError("--minutes must be above 0.");
        });
        var faults = new Option<int>("--faults")
        {
            Description = "Minimum number of faults, even after that time.",
            HelpName = "N",
        };
        var seed = new Option<ulong?>("--seed")
        {
            Description = "Seed of the faults, their order and their times. Default: a random one, which is shown.",
            HelpName = "S",
        };
        var nodes = ResourceOptions.AtLeastOne(new Option<int?>("--nodes")
        {
            Description = "Nodes, beside one that comes and goes. Default: 3.",
            HelpName = "N",
        });
        var devices = new Option<string>("--devices")
        {
            Description = "Workers of each node, as in clipmoe node; cpu*2 for two.",
            DefaultValueFactory = _ => "cpu",
            HelpName = "NAME,…",
        };
        var journal = new Option<string>("--journal")
        {
            Description = "sqlite: the first node is the coordinator; a PostgreSQL connection string: every node is one.",
            DefaultValueFactory = _ => ClusterPlan.Sqlite,
            HelpName = "sqlite|\"Host=…\"",
        };
        var expect = new Option<string?>("--expect")
        {
            Description = "Expected weights_sha256 of the report. Default: an undisturbed run determines it first.",
            HelpName = "SHA256",
        };
        var output = new Option<string?>("--out")
        {
            Description = "New or empty folder for the nodes' folders and logs. Default: runs/chaos-SEED.",
            HelpName = "DIR",
        };
        var json = new Option<bool>("--json")
        {
            Description = "Prints the summary as one JSON object; what happens meanwhile goes to standard error.",
        };
        var command = new Command(
            "chaos",
            "Runs an experiment again and again on a cluster of this machine whose processes are killed, stopped, paused, added and cut " +
            "off at "
            + "random, and checks that each run ends in the bits of an undisturbed one, with each sample used once per epoch." + Examples)
        {
            file, sets, minutes, faults, seed, nodes, devices, journal, expect, output, json,
        };
        command.SetAction(async result =>
        {
            var experiment = Load(result.GetValue(file)?.FullName, result.GetValue(sets) ?? []);
            var drawn = result.GetValue(seed) ?? (ulong)Random.Shared.Next();
            WorkerDevices.Parse(result.GetValue(devices)!);
            var folder = Folder(result.GetValue(output) ?? Path.Combine("runs", $"chaos-{drawn.ToString(CultureInfo.InvariantCulture)}"));
            var cluster = new ClusterPlan(result.GetValue(nodes) ?? 3, result.GetValue(devices)!, result.GetValue(journal)!, folder);
            var hash = ExperimentHash.Compute(experiment, InputFiles.Hashes(experiment));
            var expected = result.GetValue(expect)?.ToLowerInvariant();
            var repeat = Repeat([.. result.Tokens.Select(t => t.Value)], drawn);
            return await Run(new SoakSettings(repeat, experiment, hash, drawn, result.GetValue(minutes), result.GetValue(faults), cluster,
                expected), result.GetValue(json));
        });
        return command;
    }

    /// <summary>
    /// The command line as it was typed, with the seed, without the output folder, which will not be empty again, and without a password,
    /// for this is printed and passed on.
    /// </summary>
    internal static string Repeat(IReadOnlyList<string> typed, ulong seed)
    {
        var words = new List<string>();
        for (var i = 0; i < typed.Count; i++)
        {
            if (typed[i] is "--out" or "--seed") i++;
            else words.Add(Quoted(Password().Replace(typed[i], "$1=…")));
        }
        return string.Create(CultureInfo.InvariantCulture, $"clipmoe {string.Join(' ', words)} --seed {seed}");
    }

    private static string Quoted(string word) =>
        word.AsSpan().ContainsAny(" ;*&|<>()$'\"\\") ? $"'{word.Replace("'", @"'\''")}'" : word;

    [GeneratedRegex(@"\b(password|pwd)\s*=[^;]*", RegexOptions.IgnoreCase)]
    private static partial Regex Password();

    private static Experiment Load(string? file, string[] sets)
    {
        var chosen = file is not null || sets.Any(s => s.StartsWith("preset=", StringComparison.Ordinal));
        return ExperimentFile.Load(file, chosen ? sets : [$"preset={Preset}", .. sets]);
    }

    /// <exception cref="UserErrorException">There is something in it.</exception>
    private static string Folder(string path)
    {
        var folder = Path.GetFullPath(path);
        Directory.CreateDirectory(folder);
        if (Directory.EnumerateFileSystemEntries(folder).Any())
            throw new UserErrorException($"{folder} is not empty: choose another --out.");
        return folder;
    }

    private static async Task<int> Run(SoakSettings settings, bool json)
    {
        var lines = json ? Console.Error : Console.Out;
        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        var summary = await new Soak(settings, lines.WriteLine).Run(stop.Token);
        Console.WriteLine(json ? summary.Json() : summary.Text());
        return summary.Violations.Count > 0 ? ExitCodes.Failure : summary.Interrupted ? ExitCodes.Interrupted : ExitCodes.Success;

        void Stop(PosixSignalContext signal)
        {
            // However often: it ends as soon as it has killed what it started.
            signal.Cancel = true;
            stop.Cancel();
        }
    }
}
