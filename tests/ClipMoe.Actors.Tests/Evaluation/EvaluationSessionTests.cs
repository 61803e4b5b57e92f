using System.Threading.Channels;
using Akka.Actor;
using ClipMoe.Actors.Evaluation;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Reports;
using ClipMoe.Actors.Stages;
using ClipMoe.Actors.Tests.Stages;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Files;

namespace ClipMoe.Actors.Tests.Evaluation;

public sealed class EvaluationSessionTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;
    private readonly ActorSystem _system = ActorSystem.Create("evaluation");
    private readonly Channel<object> _coordinator = Channel.CreateUnbounded<object>(), _workers = Channel.CreateUnbounded<object>();

    public void Dispose()
    {
        _system.Terminate().GetAwaiter().GetResult();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Figures_that_left_with_their_node_are_measured_again()
    {
        var here = new RunFolder(Path.Combine(_folder, "here"));
        var parent = _system.ActorOf(Props.Create(() => new Coordinator(here, new NodeFolders(_folder), _coordinator.Writer,
            _workers.Writer)));
        var asked = (EvaluateModel)await Next(_workers);
        Assert.Equal(("base", StagePlan.Base), (asked.Model, asked.File.Path));
        Assert.Equal("moe", ((EvaluateModel)await Next(_workers)).Model);

        parent.Tell(Measured("node-2", worker: 2, "moe"));
        var lost = Measured("node-1", worker: 1, "base");
        Directory.Delete(Path.Combine(_folder, "node-1"), recursive: true);
        parent.Tell(lost);
        parent.Tell(new WorkerGone(1, "its node left"));

        Assert.Equal(asked, await Next(_workers));
        parent.Tell(Measured("node-2", worker: 2, "base"));
        var done = Assert.IsType<CompleteStage>(await Next(_coordinator));
        var results = ReportJson.LoadEvaluation(here.Absolute(done.Result.File!));
        Assert.Equal(["base", "moe"], results.Retrieval.Select(r => r.Model));
        Assert.Equal(FileHash.Sha256OrNull(here.Absolute(done.Result.File!)), done.Result.Sha256);
    }

    private static async Task<object> Next(Channel<object> from)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        return await from.Reader.ReadAsync(patience.Token);
    }

    private ModelEvaluated Measured(string node, int worker, string model)
    {
        var file = RunFolder.FiguresFile(StagePlan.Evaluate, model);
        var path = Path.Combine(_folder, node, file);
        ReportJson.Save(path, new ModelFigures(new RetrievalScores(model, "test", "", 1, 1, 0, 0, 0, 0, 0, 0), [], [], []));
        return new ModelEvaluated(StagePlan.Evaluate, model, worker, new WrittenFile(file, FileHash.Sha256OfWritten(path)));
    }

    /// <summary>Has the session as its child; what comes from outside goes to it, what it says goes out.</summary>
    private sealed class Coordinator : ReceiveActor
    {
        public Coordinator(RunFolder here, IFileSource nodes, ChannelWriter<object> said, ChannelWriter<object> work)
        {
            var spec = new EvaluateModels(StagePlan.Evaluate, [StagePlan.Base, StagePlan.Routers]);
            var files = spec.Models.ToDictionary(m => m, m => new WrittenFile(m, "0"));
            // One actor for both keeps what they are told in order.
            var worker = Context.ActorOf(Props.Create(() => new Outlet(work)));
            Worker[] workers = [.. new[] { 1, 2 }.Select(
                n => new Worker(n, worker, new WorkerInfo($"w{n}", new WorkerDevice("cpu", 1), BulkEndpoint.SameProcess, "there")))];
            var session = Context.ActorOf(Props.Create(
                () => new EvaluationSession(spec, files, here, new RunFiles(here, 2, nodes), workers)));
            ReceiveAny(m =>
            {
                if (Sender.Equals(session)) said.TryWrite(m);
                else session.Tell(m);
            });
        }
    }
}
