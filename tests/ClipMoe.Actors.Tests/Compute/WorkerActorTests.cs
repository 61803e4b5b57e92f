using System.Threading.Channels;
using Akka.Actor;
using ClipMoe.Actors.Compute;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Stages;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Tests.Compute;

public sealed class WorkerActorTests : IDisposable
{
    private const string Stage = StagePlan.Base;

    private readonly RunFolder _folder = new(Directory.CreateTempSubdirectory("clipmoe-test-").FullName);
    private readonly ActorSystem _system = ActorSystem.Create("worker");
    private readonly Channel<object> _said = Channel.CreateUnbounded<object>();

    public void Dispose()
    {
        _system.Terminate().GetAwaiter().GetResult();
        Directory.Delete(_folder.Root, recursive: true);
    }

    /// <summary>The step that is queued behind the generation's opening cannot be computed, which is no fault of this worker.</summary>
    [Fact]
    public async Task In_a_generation_whose_exchange_breaks_as_it_opens_no_step_fails()
    {
        using var workspace = new Workspace("small", TestExperiments.Small, "hash", _folder, new WorkerDevice("cpu", 1));
        workspace.Open(workspace.Prepare((_, _) => { }, CancellationToken.None));
        var info = new WorkerInfo("w1", workspace.Device, BulkEndpoint.SameProcess, _folder.Root);
        using var device = new DeviceContext(info, new OneWorkspace(workspace), new Broken(), new ReplicaStates(null));
        var session = _system.ActorOf(Props.Create(() => new Probe(_said.Writer)));
        var worker = _system.ActorOf(Props.Create(() => new WorkerActor(device, ActorRefs.Nobody)));

        worker.Tell(new OpenExperiment("small", TestExperiments.Small, "hash", null), session);
        Assert.IsType<ExperimentOpened>(await Next());
        var spec = (TrainModel)StagePlan.For(TestExperiments.Small)[Stage];
        worker.Tell(new JoinStage(spec, 0, 0, null, null, null), session);
        var joined = Assert.IsType<StageJoined>(await Next());
        List<GenerationMember> members = [new(joined.Worker, BulkEndpoint.SameProcess), new(joined.Worker + 1, BulkEndpoint.SameProcess)];
        var aggregator = await session.Ask<IActorRef>(new Aggregator());
        worker.Tell(
            new OpenGeneration(
                Stage, 1, Rank: 0, MemberDirectory.Ranges(members.Select(m => m.Worker)), MemberDirectory.Pack(members),
                new LeafRange(0, 2), 0, CatchUp.InPlace, []),
            aggregator);
        worker.Tell(new ComputeStep(new StepId(Stage, 1, 0)), aggregator);

        // The session hears of the break from the actor, the aggregator of the work from the device: either may be first.
        List<object> said = [await Next(), await Next(), await Next()];
        Assert.Equal(joined.Worker + 1, Assert.Single(said.OfType<ExchangeBroke>()).Peer);
        Assert.Equal(2, said.OfType<WorkAborted>().Count());
    }

    private async Task<object> Next()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        return await _said.Reader.ReadAsync(patience.Token);
    }

    private sealed record Aggregator;

    private sealed class Probe : ReceiveActor
    {
        public Probe(ChannelWriter<object> said)
        {
            // Only what a child of the session says is heard.
            Receive<Aggregator>(_ => Sender.Tell(Context.ActorOf(Props.Create(() => new Probe(said)))));
            ReceiveAny(m => said.TryWrite(m));
        }
    }

    /// <summary>The other member was killed.</summary>
    private sealed class Broken : IExchangeProvider
    {
        public IStepExchange Join(ExchangeGeneration generation) =>
            throw new ExchangeBrokenException(generation.Stage, generation.Number, peer: 1, "refused to connect");

        public void Abort(string stage, int generation)
        {
        }
    }
}
