using ClipMoe.Model.Architecture;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Parameters;
using ClipMoe.Model.TensorFiles;
using static TorchSharp.torch;

namespace ClipMoe.Model.Tests.Clip;

internal static class Models
{
    /// <summary>A fixture's checkpoint in fp32, loaded as the reference loads it.</summary>
    public static Replica Load(string file, TrainableParameters? locking = null, int? topK = null, bool stretch = false)
    {
        using var tensors = TensorFile.Open(Fixtures.Path(file));
        var config = CheckpointConfig.Infer(tensors, topK);
        if (stretch) config = CheckpointSource.Stretched(config);
        var replica = New(config, locking ?? TrainableParameters.None);
        replica.Load(new CheckpointSource(tensors, config, roundToHalf: true));
        return replica;
    }

    public static Replica New(ClipConfig config, TrainableParameters locking, Precision precision = Precision.Fp32) =>
        new(ParameterLayout.Create(config, locking), CPU, precision);

    public static Replica Seeded(ClipConfig config, TrainableParameters locking, ulong seed = 1, Precision precision = Precision.Fp32)
    {
        var replica = New(config, locking, precision);
        replica.Initialize(seed);
        return replica;
    }

    /// <summary>Two blocks per tower, with widths and lengths that differ everywhere.</summary>
    public static ClipConfig Small { get; } = new()
    {
        EmbedDim = 12,
        ImageResolution = 8,
        PatchSize = 4,
        Vision = new TowerConfig(16, 2, 2),
        Text = new TowerConfig(24, 3, 3),
        ContextLength = 26,
        VocabularySize = 30,
        StretchedPositions = true,
    };

    public static ClipConfig SmallMoe { get; } = Small with { Moe = new MoeConfig(4, 2, 2) };

    public static float[] Read(Replica replica, string name)
    {
        var values = new float[replica.Layout[name].Count];
        replica.Read(name, values);
        return values;
    }

    public static int[] Tokens(ITensorFile file, string name) => [.. file.ReadIntegers(name).Select(t => (int)t)];
}
