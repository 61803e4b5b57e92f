using System.Diagnostics;
using Akka.Actor;
using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Reports;
using ClipMoe.Actors.Stages;
using ClipMoe.Model.Files;

namespace ClipMoe.Actors.Evaluation;

/// <summary>
/// Hands out the models of a run as leases to free workers, and writes all their figures to one file. A model is measured once its figures
/// are here: those of a worker that is gone before are measured again.
/// </summary>
public sealed class EvaluationSession : StageActor
{
    private readonly EvaluateModels _spec;
    private readonly IReadOnlyDictionary<string, WrittenFile> _files;
    private readonly RunFolder _folder;
    private readonly RunFiles _runFiles;
    private readonly Leases<string> _leases;
    private readonly Dictionary<string, ModelFigures> _measured = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    /// <param name="files">Model file of each stage.</param>
    public EvaluationSession(
        EvaluateModels spec, IReadOnlyDictionary<string, WrittenFile> files, RunFolder folder, RunFiles runFiles,
        IEnumerable<Worker> workers)
        : base(spec.Name, workers)
    {
        _spec = spec;
        _files = files;
        _folder = folder;
        _runFiles = runFiles;
        _leases = new Leases<string>(spec.Models);
        Receive<ModelEvaluated>(m => m.Stage == Stage, Evaluated);
        Receive<FiguresHere>(Measured);
        Receive<FiguresLost>(m =>
        {
            Publish(new RunWarning($"the figures of model {m.Model} were lost with the worker that held them; measuring it again"));
            _leases.DoAgain(m.Model);
            GiveWork();
        });
        Receive<CompleteStage>(Context.Parent.Tell);
        Receive<Status.Failure>(f => Fail(f.Cause));
        // Evaluating writes nothing before its end: a run that stops here does it again.
        Receive<StopExperiment>(_ => Context.Parent.Tell(new StageStopped(Stage)));
    }

    /// <param name="Model">As in the specification of the stage.</param>
    private sealed record FiguresHere(string Model, ModelFigures Figures);

    private sealed record FiguresLost(string Model);

    protected override void PreStart() => GiveWork();

    protected override void OnArrived(Worker worker)
    {
        if (_leases.TryTake(worker.Number, out var model))
            worker.Actor.Tell(new EvaluateModel(Stage, Label(model), _files[model], WithExamples: model == StagePlan.Routers));
    }

    protected override void OnGone(Worker worker)
    {
        _leases.Return(worker.Number);
        GiveWork();
    }

    private void GiveWork()
    {
        foreach (var worker in Workers.Values) OnArrived(worker);
    }

    private void Evaluated(ModelEvaluated evaluated)
    {
        var model = _spec.Models.First(m => Label(m) == evaluated.Model);
        if (!_leases.Done(evaluated.Worker, model)) return;
        Task.Run(() => Collect(model, evaluated.Figures)).PipeTo(Self);
        OnArrived(Workers[evaluated.Worker]);
    }

    /// <summary>From the worker's node, which may leave as soon as nothing more is leased to it.</summary>
    private object Collect(string model, WrittenFile figures)
    {
        try
        {
            return new FiguresHere(model, ReportJson.LoadFigures(_runFiles.Local(figures)));
        }
        catch (LostFileException)
        {
            return new FiguresLost(model);
        }
    }

    private void Measured(FiguresHere measured)
    {
        _measured[measured.Model] = measured.Figures;
        Publish(new ModelMeasured(Stage, measured.Figures.Retrieval));
        Publish(new StageProgress(Stage, _measured.Count, _spec.Models.Count, null, null, null, Workers.Count));
        if (_measured.Count < _spec.Models.Count) return;
        var figures = _spec.Models.Select(m => _measured[m]).ToList();
        Task.Run(() => Combine(figures)).PipeTo(Self);
    }

    /// <summary>What the report calls the model of a stage.</summary>
    private static string Label(string stage) => stage == StagePlan.Routers ? MethodComparison.Moe : stage;

    private CompleteStage Combine(IReadOnlyList<ModelFigures> figures)
    {
        var probed = figures.Where(f => f.Probes.Count > 0).ToList();
        var results = new EvaluationResults([.. figures.Select(f => f.Retrieval)])
        {
            Attributes = probed.Count == 0 ? null : new AttributeProbes(
                [.. probed[0].Probes.Select(p => new ProbedAttribute(p.Target, p.Classes, Percent.FromFraction(p.MajorityAccuracy)))],
                [.. probed.Select(f => new ProbeRow(f.Retrieval.Model, [.. f.Probes.Select(p => Percent.FromFraction(p.Accuracy))]))]),
            ExpertLoads = [.. figures.SelectMany(f => f.Loads)],
            Examples = [.. figures.SelectMany(f => f.Examples)],
        };
        var file = RunFolder.EvaluationFile(Stage);
        var path = _folder.Absolute(file);
        ReportJson.Save(path, results);
        return new CompleteStage(Stage, new StageResult(file, FileHash.Sha256OfWritten(path), _clock.Elapsed.TotalSeconds));
    }
}
