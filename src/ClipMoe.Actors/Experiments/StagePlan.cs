using System.Text.Json.Serialization;

namespace ClipMoe.Actors.Experiments;

/// <summary>
/// The stages of an experiment in the order in which they run: a pure function of the experiment, so that a run that is taken up again, on
/// whatever machine, goes through the same ones.
/// </summary>
public sealed record StagePlan(IReadOnlyList<StageSpec> Stages)
{
    public const string Data = "data", Base = "base", Assemble = "assemble", Routers = "routers", Evaluate = "evaluate";

    public static string Extract(int stage) => $"extract-{stage}";
    public static string Cluster(int stage) => $"cluster-{stage}";
    public static string Mcl(int stage) => $"mcl-{stage}";

    public StageSpec this[string name] => Stages.First(s => s.Name == name);

    /// <summary>Stages that read what this one makes, or what those make, in order.</summary>
    public IReadOnlyList<string> BuiltOn(string stage)
    {
        var built = new HashSet<string> { stage };
        foreach (var later in Stages.Where(s => s.Reads.Any(built.Contains))) built.Add(later.Name);
        return [.. built.Where(s => s != stage)];
    }

    /// <summary>Stages that trained a model after the base, or one of the models that it was made of.</summary>
    public IReadOnlyList<string> TrainingOf(string model) => this[model] switch
    {
        TrainModel { Name: not Base } train => [.. train.From is { } from ? TrainingOf(from) : [], train.Name],
        AssembleMoe assemble => [.. assemble.Models.SelectMany(TrainingOf).Distinct()],
        _ => [],
    };

    /// <summary>Paper section 3: MCL stages from the base, assembly, router tuning; then what the report compares with.</summary>
    public static StagePlan For(Experiment experiment)
    {
        var stages = new List<StageSpec> { new PrepareData(Data) };
        stages.Add(experiment.Model.Checkpoint is null
            ? new TrainModel(Base)
            {
                From = null,
                Trains = TrainedPart.Everything,
                Order = new GlobalOrder(),
                Duration = new Duration(experiment.Base.Steps, Epochs: 1),
                LearningRate = experiment.Base.LearningRate,
                WeightDecay = experiment.Base.WeightDecay,
                WarmupSteps = experiment.Base.WarmupSteps,
            }
            : new LoadModel(Base, experiment.Model.Checkpoint));

        var upcycle = experiment.Moe.Init == MoeInit.Upcycle;
        var experts = new List<string> { Base };
        // Upcycling has no use for clusters; hard_batch has, for those of the base's features.
        var clusterings = !upcycle ? experiment.Mcl.Stages : experiment.Evaluation.Compare.Contains(Comparison.HardBatch) ? 1 : 0;
        for (var s = 1; s <= clusterings; s++)
        {
            stages.Add(new ExtractFeatures(Extract(s), Model: s == 1 ? Base : Mcl(s - 1)));
            stages.Add(new ClusterFeatures(Cluster(s), Features: Extract(s), PreviousLabels: s == 1 ? null : Cluster(s - 1)));
            if (upcycle) break;
            stages.Add(FfnTraining(experiment, Mcl(s), new ClusterPureOrder(Cluster(s)), MclDuration(experiment),
                experiment.Mcl.LearningRate));
            experts.Add(Mcl(s));
        }

        stages.Add(new AssembleMoe(Assemble, upcycle ? [Base] : experts, experiment.Moe.Experts));
        stages.Add(new TrainModel(Routers)
        {
            From = Assemble,
            // Copies of the base become experts only by training, for which there are then the steps of the MCL stages too.
            Trains = upcycle || experiment.Router.Trains == RouterTraining.Experts ? TrainedPart.ExpertsAndRouters : TrainedPart.Routers,
            Order = new GlobalOrder(),
            Duration = upcycle ? TotalDuration(experiment) : new Duration(experiment.Router.Steps, experiment.Router.Epochs),
            LearningRate = upcycle ? experiment.Mcl.LearningRate : experiment.Router.LearningRate,
            WeightDecay = experiment.Router.WeightDecay,
            WarmupSteps = experiment.Router.WarmupSteps,
        });

        var models = new List<string> { Base };
        models.AddRange(stages.OfType<TrainModel>().Select(s => s.Name).Where(n => n.StartsWith("mcl-", StringComparison.Ordinal)));
        models.Add(Routers);
        foreach (var comparison in experiment.Evaluation.Compare)
        {
            foreach (var stage in Comparisons(experiment, comparison)) stages.Add(stage);
            models.Add(Name(comparison));
        }
        stages.Add(new EvaluateModels(Evaluate, models));
        return new StagePlan(stages);
    }

    public static string Name(Comparison comparison) => comparison switch
    {
        Comparison.Direct => "direct",
        Comparison.HardBatch => "hard_batch",
        Comparison.Upcycle => "upcycle",
        _ => throw new ArgumentOutOfRangeException(nameof(comparison)),
    };

    private static Duration MclDuration(Experiment e) => new(e.Mcl.Steps, e.Mcl.Epochs);

    /// <summary>As long as all MCL stages and the router tuning together, so that methods are compared at equal total steps.</summary>
    private static Duration TotalDuration(Experiment e) => e is { Mcl.Steps: { } mcl, Router.Steps: { } router }
        ? new Duration(e.Mcl.Stages * mcl + router, 1)
        : new Duration(null, e.Mcl.Stages * e.Mcl.Epochs + e.Router.Epochs);

    private static TrainModel FfnTraining(Experiment e, string name, SampleOrder order, Duration duration, double learningRate) => new(name)
    {
        From = Base,
        Trains = TrainedPart.Ffns,
        Order = order,
        Duration = duration,
        LearningRate = learningRate,
        WeightDecay = e.Mcl.WeightDecay,
        WarmupSteps = e.Mcl.WarmupSteps,
    };

    private static IEnumerable<StageSpec> Comparisons(Experiment e, Comparison comparison)
    {
        var rate = e.Evaluation.CompareLearningRate;
        switch (comparison)
        {
            case Comparison.Direct:
                yield return FfnTraining(e, "direct", new GlobalOrder(), TotalDuration(e), rate);
                break;
            case Comparison.HardBatch:
                yield return FfnTraining(e, "hard_batch", new ClusterPureOrder(Cluster(1)), TotalDuration(e), rate);
                break;
            case Comparison.Upcycle:
                yield return new AssembleMoe("upcycle-assemble", [Base], e.Moe.Experts);
                yield return FfnTraining(e, "upcycle", new GlobalOrder(), TotalDuration(e), rate) with
                {
                    From = "upcycle-assemble",
                    Trains = TrainedPart.ExpertsAndRouters,
                };
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(comparison));
        }
    }
}

/// <summary>One stage: what it reads (names of earlier stages) and makes. Its output lies in a folder of the stage's name.</summary>
public abstract record StageSpec(string Name)
{
    /// <summary>One word for what it does.</summary>
    public string Kind => Descriptor.Name;

    /// <summary>Names of the earlier stages whose results it needs.</summary>
    public IReadOnlyList<string> Reads => [.. Inputs.OfType<string>()];

    // Neither of these is public, or it would travel with the stage.
    protected internal abstract StageKind Descriptor { get; }

    /// <summary>Null for an input that this stage can do without.</summary>
    protected abstract IReadOnlyList<string?> Inputs { get; }
}

/// <summary>Makes or opens the data set, finds its bad samples, splits it, learns or loads the vocabulary.</summary>
public sealed record PrepareData(string Name) : StageSpec(Name)
{
    protected internal override StageKind Descriptor => StageKind.Data;

    protected override IReadOnlyList<string?> Inputs => [];
}

/// <summary>Takes a dense checkpoint over as the base model, stretched and rounded as the experiment says.</summary>
public sealed record LoadModel(string Name, string Path) : StageSpec(Name)
{
    protected internal override StageKind Descriptor => StageKind.Load;

    protected override IReadOnlyList<string?> Inputs => [StagePlan.Data];
}

/// <summary>Trains a model. <c>From</c> is the stage whose model it starts from; null: seeded initialization.</summary>
public sealed record TrainModel(string Name) : StageSpec(Name)
{
    public required string? From { get; init; }
    public required TrainedPart Trains { get; init; }
    public required SampleOrder Order { get; init; }
    public required Duration Duration { get; init; }
    public required double LearningRate { get; init; }
    public required double WeightDecay { get; init; }
    public required int WarmupSteps { get; init; }

    protected internal override StageKind Descriptor => StageKind.Train;

    protected override IReadOnlyList<string?> Inputs => [StagePlan.Data, From, (Order as ClusterPureOrder)?.Labels];
}

public enum TrainedPart { Everything, Ffns, Routers, ExpertsAndRouters }

/// <summary>A number of steps, or when null of epochs.</summary>
public readonly record struct Duration(int? Steps, int Epochs);

[JsonDerivedType(typeof(GlobalOrder), "global")]
[JsonDerivedType(typeof(ClusterPureOrder), "cluster-pure")]
public abstract record SampleOrder;

/// <summary>Batches drawn from all samples.</summary>
public sealed record GlobalOrder : SampleOrder;

/// <summary>Batches drawn from one cluster each, by the pseudo labels that the stage <c>Labels</c> made.</summary>
public sealed record ClusterPureOrder(string Labels) : SampleOrder;

/// <summary>Image and text features of all training samples, by the model of the stage <c>Model</c>.</summary>
public sealed record ExtractFeatures(string Name, string Model) : StageSpec(Name)
{
    protected internal override StageKind Descriptor => StageKind.Extract;

    protected override IReadOnlyList<string?> Inputs => [StagePlan.Data, Model];
}

/// <summary>k-means per modality over the features of a stage, then accumulated pseudo labels.</summary>
public sealed record ClusterFeatures(string Name, string Features, string? PreviousLabels) : StageSpec(Name)
{
    protected internal override StageKind Descriptor => StageKind.Cluster;

    protected override IReadOnlyList<string?> Inputs => [Features, PreviousLabels];
}

/// <summary>A MoE whose experts are the FFNs of the given stages' models (one stage: all experts are copies of it).</summary>
public sealed record AssembleMoe(string Name, IReadOnlyList<string> Models, int Experts) : StageSpec(Name)
{
    protected internal override StageKind Descriptor => StageKind.Assemble;

    protected override IReadOnlyList<string?> Inputs => Models;
}

public sealed record EvaluateModels(string Name, IReadOnlyList<string> Models) : StageSpec(Name)
{
    protected internal override StageKind Descriptor => StageKind.Evaluate;

    protected override IReadOnlyList<string?> Inputs => Models;
}
