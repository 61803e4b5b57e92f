using Akka.Actor;
using ClipMoe.Actors.Coordination;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Journal;

namespace ClipMoe.Actors.Tests.Journal;

public sealed class JournalReaderTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-journal-").FullName;
    private readonly ActorSystem _system;

    public JournalReaderTests() => _system = ActorSystem.Create("journal", JournalConfiguration.Sqlite(File));

    private string File => Path.Combine(_folder, "journal.db");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _system.Terminate();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task What_is_read_from_the_file_is_what_an_actor_recovers()
    {
        ExperimentEvent[] facts =
        [
            new ExperimentAccepted("demo", "hash", "benchmark", new ComputeConditions("cpu", 2, "fp32")),
            new CoordinatorStarted(),
            new DataPrepared("f", 80, 10, 3, "v", [new WrittenFile("vocabulary.txt.gz", "v")]),
            new StageStarted("base"),
            new StepsPlanned("base", 30),
            new StepsCheckpointed("base", 0, 10, "a", 1.5, [new LossSample(0, 3.5)]) { Generation = 1 },
            new StepsCheckpointed("base", 10, 20, "b", 1.5, [new LossSample(10, 2.5)]) { Generation = 2 },
            new CheckpointDamaged("base", 20, "cut off"),
            new StageCompleted("base", new StageResult("model", "m", 12) { Steps = 30, FinalLoss = 1.5 }),
            new ShardExtracted("extract-1", 0, "s0", "h0"),
            new ShardExtracted("extract-1", 1, "s1", "h1"),
            new ShardDamaged("extract-1", 0),
            new StageCompleted("extract-1", new StageResult(null, null, 1)),
            new StageReset("extract-1"),
            new ExperimentCompleted("weights"),
        ];
        Assert.Equal(facts.Length, await _system.ActorOf(Props.Create(() => new Writer("run"))).Ask<int>(facts, Patience));
        Assert.Equal(1, await _system.ActorOf(Props.Create(() => new Writer("another"))).Ask<int>(facts[..1], Patience));

        var recovered = await _system.ActorOf(Props.Create(() => new Writer("run"))).Ask<ExperimentState>(new GetState(), Patience);

        Assert.Equal(("weights", 10, 1), (recovered.WeightsSha256, recovered.CommittedSteps("base"), recovered.Terms));
        Assert.Equivalent(recovered, JournalReader.Read(File, "run"), strict: true);
        Assert.Equivalent(ExperimentState.Empty, JournalReader.Read(File, "none"), strict: true);
    }

    private sealed record GetState;

    private sealed class Writer : ExperimentJournal
    {
        public Writer(string id)
            : base(id)
        {
            Command<ExperimentEvent[]>(facts =>
            {
                var client = Sender;
                PersistFacts(facts, () => client.Tell(facts.Length));
            });
            Command<GetState>(_ => Sender.Tell(State));
        }

        protected override void OnJournalLost(JournalException failure) => throw failure;

        protected override void OnFactRefused(IOException failure) => throw failure;
    }
}
