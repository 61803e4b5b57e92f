using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Journal;
using ClipMoe.Model.Metrics;

namespace ClipMoe.Actors.Tests.Journal;

public sealed class EventSerializerTests : IDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create("serializer");

    public void Dispose() => _system.Terminate().Wait();

    private static readonly object[] All =
    [
        new ExperimentAccepted("demo", "abc", "benchmark"),
        new ExperimentAccepted("demo", "abc", "benchmark", new ComputeConditions("cuda:1", 4, "bf16")),
        new CoordinatorStarted(),
        new DataPrepared("f", 8000, 1000, 3, "v", [new WrittenFile("vocabulary.txt.gz", "v")]),
        new DataPrepared("f", 8000, 1000, 3, "v", []) { ImageResolution = 224, CheckpointSha256 = "c" },
        new StageStarted("base"),
        new StepsPlanned("base", 3000),
        new StepsCheckpointed("base", 0, 500, "h", 1.25, [new LossSample(0, 3.5), new LossSample(1, double.MaxValue),
            new LossSample(2, double.NaN)]),
        new StepsCheckpointed("base", 0, 500, "h", 1.25, [])
        {
            Generation = 1_000_007,
            Metrics =
            [
                new MetricSummary("gradient_norm", MetricKind.Norm, "", 500) { Mean = 0.5, Highest = double.NaN, Last = 0.25 },
                new MetricSummary("router/text/layer.1/load", MetricKind.Histogram, "choices", 500) { Counts = [3, 1, 0] },
            ],
        },
        new CheckpointDamaged("base", 500, "cut off"),
        new ShardExtracted("extract-1", 3, "f", "h"),
        new ShardDamaged("extract-1", 3),
        new StageCompleted("base", new StageResult("f", "h", 12) { Steps = 3, FinalLoss = 1.5, ImagesPerSecond = 10,
            ClusterSizes = [5, 3] }),
        new StageDamaged("base"),
        new StageReset("base"),
        new ExperimentCompleted("h"),
        new SchedulerStarted(),
        new Submitted("small-1", ExperimentJson.Write(TestExperiments.Small).ToJsonString(), "abc"),
        new Ended("small-1", ExperimentStatus.Finished, null, "w", [new WrittenFile("report.json", "h")]),
        new WorkersScaled(3),
        new WorkersScaled(null),
        new Reopened("small-1"),
        new ControlWanted("small-1", Control.Pause),
        new WorkerDrained("host:1/cpu#0", Back: true),
    ];

    public static TheoryData<object> Events => new(All);

    [Theory]
    [MemberData(nameof(Events))]
    public void Every_event_survives_the_journal(object e)
    {
        var serializer = new EventSerializer((ExtendedActorSystem)_system);
        var back = serializer.FromBinary(serializer.ToBinary(e), serializer.Manifest(e));
        Assert.Equal(serializer.ToBinary(e), serializer.ToBinary(back));
        Assert.IsType(e.GetType(), back);
    }

    [Fact]
    public void Every_kind_of_event_has_a_case_above()
    {
        var kinds = typeof(ExperimentEvent).Assembly.GetTypes()
            .Where(t => t.IsSubclassOf(typeof(ExperimentEvent)) || t.IsSubclassOf(typeof(SchedulerEvent)));
        Assert.Equal(kinds.OrderBy(t => t.Name), All.Select(e => e.GetType()).Distinct().OrderBy(t => t.Name));
    }

    [Theory]
    [InlineData("accepted-1", """{"name":"demo","hash":"abc","data_path":"benchmark"}""")]
    [InlineData("data-1", """{"fingerprint":"f","train":1,"test":1,"bad":0,"vocabulary_sha256":"v","files":[]}""")]
    [InlineData("steps-1", """{"stage":"b","from_step":0,"to_step":1,"manifest_sha256":"h","seconds":1,"losses":[{"step":0,"loss":3}]}""")]
    public void Events_of_journals_from_before_a_member_was_added_are_read(string manifest, string json)
    {
        var read = EventSerializer.Read(System.Text.Encoding.UTF8.GetBytes(json), manifest);
        Assert.True(read is ExperimentAccepted { Hash: "abc", Conditions: null }
            or DataPrepared { Train: 1, ImageResolution: null, CheckpointSha256: null }
            or StepsCheckpointed { Losses: [{ Loss: 3 }], Generation: null, Metrics: null });
    }

    [Fact]
    public void An_unknown_manifest_is_refused_by_name()
    {
        var serializer = new EventSerializer((ExtendedActorSystem)_system);
        Assert.Contains("system-diagnostics",
            Assert.Throws<InvalidDataException>(() => serializer.FromBinary("{}"u8.ToArray(), "system-diagnostics")).Message);
    }
}
