using ClipMoe.Nodes.Chaos;
using ClipMoe.Nodes.Commands;
using ClipMoe.Nodes.Tests.Runs;

namespace ClipMoe.Nodes.Tests.Chaos;

public sealed class ChaosCommandTests
{
    [Fact]
    public void The_same_faults_are_had_again_with_everything_that_was_typed_but_the_folder()
    {
        Assert.Equal(
            "clipmoe chaos my.yaml --set name=x --devices 'cpu*2' --journal 'Host=db;Database=d' --minutes 2 --seed 7",
            ChaosCommand.Repeat(
                ["chaos", "my.yaml", "--set", "name=x", "--seed", "7", "--devices", "cpu*2", "--journal", "Host=db;Database=d", "--out",
                    "here", "--minutes", "2"],
                seed: 7));
    }

    [Fact]
    public void A_password_is_not_passed_on() => Assert.Equal(
        "clipmoe chaos --journal 'Host=db;Password=…;Username=u' --seed 7",
        ChaosCommand.Repeat(["chaos", "--journal", "Host=db;Password=secret;Username=u"], seed: 7));

    [Fact]
    public async Task Kill_9_leaves_no_node_and_no_worker_behind()
    {
        using var folder = new TemporaryFolder();
        var output = Path.Combine(folder.Path, "chaos");
        using (var process = ClipMoeProcess.Start("chaos", "--nodes", "2", "--expect", "0", "--out", output))
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            while (ProcessTable.With("worker --name ").Count(p => Lives(p.CommandLine)) < 2) await Task.Delay(100, patience.Token);
            process.Kill();
            while (ProcessTable.With(output).Any(p => Lives(p.CommandLine))) await Task.Delay(100, patience.Token);
        }

        bool Lives(string line) => line.Contains($"{output}/", StringComparison.Ordinal);
    }
}
