using System.Text.Json;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Clip;
using ClipMoe.Model.Losses;
using ClipMoe.Model.Metrics;
using ClipMoe.Model.Optimization;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.TensorFiles;
using ClipMoe.Model.Tests.Clip;
using ClipMoe.Model.Training;

namespace ClipMoe.Model.Tests.Training;

/// <summary>Losses, gradients and updated parameters of the reference's own training, in worlds of 1, 2 and 4 ranks.</summary>
[Collection(TorchCollection.Name)]
[Trait("Category", "Parity")]
public sealed class TrainingParityTests
{
    private const string Expected = "train_expected.json", Inputs = "train_inputs.safetensors";
    private const double LossTolerance = 5e-5, GradientTolerance = 5e-5, ParameterTolerance = 2e-5;

    public static TheoryData<string> Cases()
    {
        var cases = new TheoryData<string>();
        foreach (var one in ReadExpected().GetProperty("cases").EnumerateObject()) if (IsThere(Gradients(one.Name, 1))) cases.Add(one.Name);
        return cases;
    }

    public static TheoryData<string, int> CasesOfSeveralRanks()
    {
        var cases = new TheoryData<string, int>();
        foreach (var one in ReadExpected().GetProperty("cases").EnumerateObject())
        {
            foreach (var world in one.Value.EnumerateObject().Where(p => p.Name.StartsWith("world"))
                .Select(p => int.Parse(p.Name["world".Length..])))
            {
                if (IsThere(Gradients(one.Name, world))) cases.Add(one.Name, world);
            }
        }

        return cases;
    }

    [FixtureTheory(Expected, Inputs)]
    [MemberData(nameof(Cases))]
    public void Losses_gradients_and_parameters_of_three_steps_equal_the_references(string name)
    {
        var (all, one) = (ReadExpected(), Case(name));
        using var replica = Start(name);
        using var golden = TensorFile.Open(Gradients(name, 1));
        var schedule = new CosineSchedule(Number(all, "lr"), all.GetProperty("warmup").GetInt32(), all.GetProperty("total_steps")
            .GetInt32());
        var betas = all.GetProperty("betas");
        var optimizer = new AdamWSettings(Number(all, "weight_decay"), betas[0].GetDouble(), betas[1].GetDouble(), Number(all, "eps"));
        var steps = one.GetProperty("steps");
        for (var step = 0; step < steps.GetArrayLength(); step++)
        {
            var (gradient, losses) = Run(replica, name, leaves: 4, world: 1);
            AssertLosses(steps[step], LocalWorld.Total(losses), $"step {step}");
            if (step == 0) AssertGradients(golden, replica, gradient);
            Close.Within(1e-12, Number(steps[step], "lr"), schedule.At(step), "learning rate");
            replica.Apply(gradient, schedule.At(step), optimizer);
        }

        AssertLosses(one.GetProperty("after3"), LocalWorld.Total(Run(replica, name, leaves: 4, world: 1).Metrics), "after the last step");
        foreach (var tensor in golden.Tensors.Where(t => t.Name.StartsWith("after3/")))
            Close.Within(ParameterTolerance, golden.ReadFloats(tensor.Name), Models.Read(replica, tensor.Name["after3/".Length..]),
                tensor.Name);
    }

    [FixtureTheory(Expected, Inputs)]
    [MemberData(nameof(CasesOfSeveralRanks))]
    public void Losses_of_each_rank_and_the_gradient_of_several_ranks_equal_the_references(string name, int world)
    {
        using var replica = Start(name);
        using var golden = TensorFile.Open(Gradients(name, world));
        var expected = Case(name).GetProperty($"world{world}");
        const int leavesPerRank = 2;

        var (gradient, losses) = Run(replica, name, world * leavesPerRank, world);

        AssertGradients(golden, replica, gradient);
        Close.Within(LossTolerance, Number(expected, "mean_total"), LocalWorld.Total(losses)[StepLoss.Total], "mean_total");
        for (var rank = 0; rank < world; rank++)
        {
            var share = LocalWorld.Total([.. losses.Skip(rank * leavesPerRank).Take(leavesPerRank)]);
            AssertLosses(expected.GetProperty("per_rank")[rank], share, $"rank {rank}", factor: world);
        }
    }

    [FixtureTheory(Expected, Inputs)]
    [MemberData(nameof(Cases))]
    public void What_trains_is_what_the_reference_trains(string name)
    {
        using var replica = Start(name);
        Assert.Equal(Trainable(name).Order(), replica.Layout.Slots.Where(s => s.Trainable).Select(s => s.Name).Order());
        var end = replica.Layout.Slots.Where(s => s.Trainable).Max(s => s.Offset + s.Count);
        Assert.True(end <= replica.Layout.TrainableLength);
        Assert.All(replica.Layout.Slots.Where(s => !s.Trainable), s => Assert.True(s.Offset >= replica.Layout.TrainableLength));
    }

    private static Replica Start(string name)
    {
        var replica = IsMoe(name) ? StartOfRouters(name)
            : Models.Load(Fixtures.DenseCheckpoints()[0], TrainableParameters.FfnOnly(UnlockedGroups(name)));
        replica.Write(ParameterNames.LogitScale, [(float)Number(ReadExpected(), "logit_scale")]);
        return replica;
    }

    private static (float[] Gradient, MetricBag[] Metrics) Run(Replica replica, string name, int leaves, int world)
    {
        var all = ReadExpected();
        var settings = new StepSettings
        {
            Leaves = leaves,
            LabelSmoothing = Number(all, "label_smoothing"),
            ShortTextWeight = Number(all, "alpha_short"),
            RouterLossWeight = Number(all, "beta_router"),
            RouterLossTokens = RouterLossTokens.All,
            ReferenceWorld = world,
        };
        return LocalWorld.Step(replica, settings, 0, Shards(name, leaves), workers: Math.Min(leaves, 2));
    }

    private static List<MicroBatch> Shards(string name, int leaves)
    {
        using var inputs = TensorFile.Open(Fixtures.Path(Inputs));
        var (images, tokens, shorts) = (inputs.ReadFloats("images"), Models.Tokens(inputs, "tokens_long"),
            Models.Tokens(inputs, "tokens_short"));
        var rows = (int)inputs.Get("images").Shape[0];
        var (pixels, context) = (images.Length / rows, tokens.Length / rows);
        var usesShort = Number(Case(name).GetProperty("steps")[0], "loss_itcs") != 0;
        return [.. Enumerable.Range(0, leaves).Select(leaf =>
        {
            var (from, to) = LeafPartition.Rows(leaf, rows, leaves);
            return new MicroBatch(leaf, to - from, PixelBatch.FromStandardized(images.AsMemory(from * pixels, (to - from) * pixels)),
                tokens[(from * context)..(to * context)], usesShort ? shorts[(from * context)..(to * context)] : null);
        })];
    }

    /// <param name="factor">On what was measured.</param>
    private static void AssertLosses(JsonElement expected, MetricBag actual, string when, double factor = 1)
    {
        Check("total", StepLoss.Total);
        Check("loss_itcl", StepLoss.Contrastive);
        Check("loss_itcs", StepLoss.ContrastiveShort);
        if (!expected.TryGetProperty("router_image", out _)) return;
        Check("router_image", Balance(RouterMetrics.ImagePass));
        Check("router_text_long", Balance(RouterMetrics.TextPass));
        Check("router_text_short", Balance(RouterMetrics.ShortTextPass));

        static Metric Balance(string pass) => StepLoss.Router("router_balance", pass);

        // A loss that a case has not is 0 there, and not measured here.
        void Check(string name, Metric loss) =>
            Close.Within(LossTolerance, Number(expected, name), factor * (actual.Find(loss) ?? 0), $"{when}: {name}");
    }

    private static void AssertGradients(ITensorFile golden, Replica replica, float[] gradient)
    {
        foreach (var tensor in golden.Tensors.Where(t => t.Name.StartsWith("grad/")))
        {
            var slot = replica.Layout[tensor.Name["grad/".Length..]];
            Close.WithinOfLargest(GradientTolerance, golden.ReadFloats(tensor.Name), gradient.AsSpan((int)slot.Offset, (int)slot.Count),
                tensor.Name);
        }
    }

    private static bool IsMoe(string name) => Trainable(name).All(IsGate);

    private static bool IsGate(string parameter) => parameter.EndsWith(".gate.weight");

    /// <summary>The first vision block that trains tells how many groups a case unlocked; none may train.</summary>
    private static int UnlockedGroups(string name) =>
        Trainable(name).Where(n => n.StartsWith("visual.")).Select(ParameterNames.BlockOf).DefaultIfEmpty(int.MaxValue).Min();

    /// <summary>
    /// The mixture whose gates are those that train and, of several, lie nearest to where the case ends: three small steps away.
    /// </summary>
    private static Replica StartOfRouters(string name)
    {
        var fitting = Fixtures.MoeCases().Where(c => c.Keys.Select(k => k.Name).Where(IsGate).ToHashSet().SetEquals(Trainable(name)))
            .ToList();
        var start = fitting is [var only] ? only : fitting.MinBy(c => DistanceToEnd(c, name))!;
        return Models.Load(start.Checkpoint, TrainableParameters.RouterOnly, start.TopK);
    }

    private static double DistanceToEnd(MoeCase start, string name)
    {
        using var weights = TensorFile.Open(start.Checkpoint);
        using var end = TensorFile.Open(Gradients(name, 1));
        return Trainable(name).Sum(gate => weights.ReadFloats(gate).Zip(end.ReadFloats($"after3/{gate}"), (a, b) => Math.Abs((double)a - b))
            .Sum());
    }

    private static IEnumerable<string> Trainable(string name) => Case(name).GetProperty("trainable").EnumerateArray()
        .Select(n => n.GetString()!);

    private static JsonElement Case(string name) => ReadExpected().GetProperty("cases").GetProperty(name);

    private static JsonElement ReadExpected() => JsonDocument.Parse(File.ReadAllBytes(Fixtures.Path(Expected))).RootElement;

    private static string Gradients(string name, int world) =>
        Fixtures.Path(world == 1 ? $"train_{name}.safetensors" : $"train_{name}_world{world}.safetensors");

    private static bool IsThere(string file) => !Fixtures.IsSmallCopy || File.Exists(file);

    private static double Number(JsonElement json, string name) => json.GetProperty(name).GetDouble();
}
