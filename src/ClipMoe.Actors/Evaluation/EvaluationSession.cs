using System.Diagnostics;
using Akka.Actor;
using ClipMoe.Actors.Data;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;

namespace ClipMoe.Actors.Evaluation;

/// <summary>Hands out the models of a run as leases to free workers, and writes all their figures to one file.</summary>
public sealed class EvaluationSession : StageActor
{
    private readonly EvaluateModels _spec;
    private readonly IReadOnlyDictionary<string, WrittenFile> _files;
    private readonly RunFolder _folder;
    private readonly RunFiles _runFiles;
    private readonly Leases<string> _leases;
    private readonly Dictionary<string, WrittenFile> _done = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    /// <param name="files">Model file of each stage.</param>
    public EvaluationSession(
        EvaluateModels spec, IReadOnlyDictionary<string, WrittenFile> files, RunFolder folder, RunFiles runFiles, IEnumerable<Worker> workers)
        : base(spec.Name, workers)
    {
        _spec = spec;
        _files = files;
        _folder = folder;
        _runFiles = runFiles;
        _leases = new Leases<string>(spec.Models);
        Receive<ModelEvaluated>(m => m.Stage == Stage, Evaluated);
        Receive<StageDone>(Context.Parent.Tell);
        Receive<Status.Failure>(f => Fail(f.Cause));
        // Evaluating writes nothing before its end: a run that stops here does it again.
        Receive<StopExperiment>(_ => Context.Parent.Tell(new StageStopped(Stage)));
    }

    protected override void PreStart()
    {
        foreach (var worker in Workers.Values) OnArrived(worker);
    }

    protected override void OnArrived(Worker worker)
    {
        if (_leases.TryTake(worker.Number, out var model))
            worker.Actor.Tell(new EvaluateModel(Stage, Label(model), _files[model], WithExamples: model == StagePlan.Routers));
    }

    protected override void OnGone(int worker)
    {
        _leases.Return(worker);
        foreach (var other in Workers.Values) OnArrived(other);
    }

    private void Evaluated(ModelEvaluated evaluated)
    {
        var model = _spec.Models.First(m => Label(m) == evaluated.Model);
        if (!_leases.Done(evaluated.Worker, model)) return;
        _done[evaluated.Model] = evaluated.Figures;
        Publish(new ModelMeasured(Stage, evaluated.Retrieval));
        Publish(new StageProgress(Stage, _done.Count, _spec.Models.Count, null, null, null, Workers.Count));
        OnArrived(Workers[evaluated.Worker]);
        if (_done.Count == _spec.Models.Count) Finish();
    }

    /// <summary>What the report calls the model of a stage.</summary>
    private static string Label(string stage) => stage == StagePlan.Routers ? MethodComparison.Moe : stage;

    private void Finish()
    {
        var (models, files) = (_spec.Models.Select(Label).ToList(), _done.ToDictionary());
        Task.Run(() => Combine([.. models.Select(m => ReportJson.LoadFigures(_runFiles.Local(files[m])))])).PipeTo(Self);
    }

    private StageDone Combine(IReadOnlyList<ModelFigures> figures)
    {
        var probed = figures.Where(f => f.Probes.Count > 0).ToList();
        var results = new EvaluationResults([.. figures.Select(f => f.Retrieval)])
        {
            Attributes = probed.Count == 0 ? null : new AttributeProbes(
                [.. probed[0].Probes.Select(p => new ProbedAttribute(p.Target, p.Classes, Percent.Of(p.MajorityAccuracy)))],
                [.. probed.Select(f => new ProbeRow(f.Retrieval.Model, [.. f.Probes.Select(p => Percent.Of(p.Accuracy))]))]),
            ExpertLoads = [.. figures.SelectMany(f => f.Loads)],
            Examples = [.. figures.SelectMany(f => f.Examples)],
        };
        var file = RunFolder.EvaluationFile(Stage);
        var path = _folder.Absolute(file);
        ReportJson.Save(path, results);
        return new StageDone(Stage, new StageResult(file, ArtifactCheck.Sha256(path), _clock.Elapsed.TotalSeconds));
    }
}
