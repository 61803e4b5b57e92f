using System.Diagnostics;
using Akka.Actor;
using ClipMoe.Actors.Data;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Evaluation;

/// <summary>Hands out the models of a run as leases to free workers, and writes all their figures to one file.</summary>
public sealed class EvaluationSession : ReceiveActor
{
    private readonly EvaluateModels _spec;
    private readonly IReadOnlyDictionary<string, string> _files;
    private readonly Workspace _workspace;
    private readonly IReadOnlyDictionary<int, IActorRef> _workers;
    private readonly Queue<string> _open;
    private readonly Dictionary<string, ModelFigures> _done = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    /// <param name="files">Model file of each model's name, relative to the output folder.</param>
    public EvaluationSession(
        EvaluateModels spec, IReadOnlyDictionary<string, string> files, Workspace workspace, IReadOnlyDictionary<int, IActorRef> workers)
    {
        _spec = spec;
        _files = files;
        _workspace = workspace;
        _workers = workers;
        _open = new Queue<string>(spec.Models);
        Receive<ModelEvaluated>(m => m.Stage == spec.Name, Evaluated);
        Receive<WorkFailed>(f => f.Stage == spec.Name, f => Context.Parent.Tell(new StageFailed(spec.Name, f.Cause)));
        // Evaluating writes nothing before its end: a run that stops here does it again.
        Receive<StopExperiment>(_ => Context.Parent.Tell(new StageStopped(spec.Name)));
    }

    protected override void PreStart()
    {
        foreach (var worker in _workers.Keys) Lease(worker);
    }

    private void Lease(int worker)
    {
        if (_open.TryDequeue(out var model))
        {
            _workers[worker].Tell(new EvaluateModel(
                _spec.Name, Label(model), _files[model], WithExamples: model == StagePlan.Routers));
        }
    }

    private void Evaluated(ModelEvaluated evaluated)
    {
        _done[evaluated.Model] = evaluated.Figures;
        Context.System.EventStream.Publish(new ModelMeasured(_spec.Name, evaluated.Figures.Retrieval));
        Context.System.EventStream.Publish(new StageProgress(_spec.Name, _done.Count, _spec.Models.Count, null, null, null, _workers.Count));
        Lease(evaluated.Worker);
        if (_done.Count == _spec.Models.Count) Finish();
    }

    /// <summary>What the report calls the model of a stage.</summary>
    private static string Label(string stage) => stage == StagePlan.Routers ? MethodComparison.Moe : stage;

    private void Finish()
    {
        var figures = _spec.Models.Select(m => _done[Label(m)]).ToList();
        var probes = figures[0].Probes;
        var results = new EvaluationResults([.. figures.Select(f => f.Retrieval)])
        {
            Attributes = probes.Count == 0 ? null : new AttributeProbes(
                [.. probes.Select(p => new ProbedAttribute(p.Target, p.Classes, 100 * p.MajorityAccuracy))],
                [.. figures.Select(f => new ProbeRow(f.Retrieval.Model, [.. f.Probes.Select(p => 100 * p.Accuracy)]))]),
            ExpertLoads = [.. figures.SelectMany(f => f.Loads)],
            Examples = [.. figures.SelectMany(f => f.Examples)],
        };
        var file = RunFolder.EvaluationFile(_spec.Name);
        var path = _workspace.Folder.Absolute(file);
        ReportJson.Save(path, results);
        Context.Parent.Tell(new StageDone(_spec.Name, new StageResult(file, ArtifactCheck.Sha256(path), _clock.Elapsed.TotalSeconds)));
    }
}
