namespace ClipMoe.Cluster.Tests.Scenarios;

/// <summary>A bit flips unseen: in a frame between workers, in a checkpoint, in a shard of features.</summary>
[Trait("Category", "Scenario")]
public sealed class ByteFlippedTests(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    /// <summary>Not the first, so that there is one to go back to.</summary>
    private const int Checkpoint = 20;

    [Fact]
    public async Task What_is_damaged_is_named_and_made_again()
    {
        await using var cluster = new TestCluster();
        var coordinator = cluster.Start(coordinator: true, workers: 0);
        cluster.Start(coordinator: false, workers: 1, "garble@base:12:gradient");
        cluster.Start(coordinator: false, workers: 1);
        await cluster.UntilWorkers(2);
        cluster.Holds.Hold("base", Checkpoint + 1);
        cluster.Holds.Hold("cluster-1", 0);
        using var run = cluster.Submit();

        await run.UntilSaved("base", Checkpoint);
        await StopAll(cluster);
        Flip(cluster, "base", $"{Checkpoint:d8}-model-*.safetensors");
        cluster.Holds.Release("base");
        await StartAll(cluster);

        await cluster.Holds.Until("cluster-1");
        await StopAll(cluster);
        Flip(cluster, "extract-1", "features-000000.safetensors");
        cluster.Holds.Release("cluster-1");
        await StartAll(cluster);

        Assert.True(undisturbed.WeightsSha256 == await run.End(), cluster.Log());
        Ledger.AssertEachSampleOncePerEpoch(coordinator.Output);
        // The receiver of the damaged frame closed the stream, and either side of it may be the first to say so; what was found is in the
        // log.
        Assert.Contains(run.Warnings, w => w.Contains("a stream between workers broke"));
        Assert.Contains("damaged on the way", cluster.Log());
        Assert.Contains(run.Warnings, w => w.Contains($"the checkpoint of stage base after step {Checkpoint} can't be used"));
        Assert.Contains(run.Warnings, w => w.Contains("feature shard 0 of stage extract-1 is missing or damaged"));
    }

    private static Task StopAll(TestCluster cluster) => Task.WhenAll(cluster.Nodes.Select(n => n.Kill()));

    private static Task StartAll(TestCluster cluster)
    {
        foreach (var node in cluster.Nodes) node.Start();
        return cluster.UntilWorkers(2);
    }

    /// <summary>In every copy that there is.</summary>
    private static void Flip(TestCluster cluster, string stage, string files)
    {
        var copies = cluster.Nodes.Select(n => Path.Combine(n.Output, "tiny-1", "stages", stage)).Where(Directory.Exists)
            .SelectMany(folder => Directory.GetFiles(folder, files)).ToList();
        Assert.NotEmpty(copies);
        foreach (var copy in copies)
        {
            using var file = new FileStream(copy, FileMode.Open);
            file.Position = file.Length / 2;
            var flipped = (byte)(file.ReadByte() ^ 1);
            file.Position--;
            file.WriteByte(flipped);
        }
    }
}
