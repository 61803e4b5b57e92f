namespace ClipMoe.Model.Datasets.Scenes;

/// <summary>What can vary in a scene, each independently of the others.</summary>
public sealed record SceneAttribute(string Name, IReadOnlyList<string> Values);

/// <summary>
/// The true attributes of one scene, each an index into the values of <see cref="Attributes"/>. After Trifeature (Hermann and Lampinen
/// 2020), with a second, small object whose attributes are easily overlooked.
/// </summary>
public readonly record struct SceneFactors(int Shape, int Texture, int Color, int Size, int Background, int DotColor, int DotCorner)
{
    private static readonly string[] Colors = ["red", "green", "blue", "yellow", "purple", "orange", "cyan", "pink"];

    /// <summary>In the order of the record's members.</summary>
    public static IReadOnlyList<SceneAttribute> Attributes { get; } =
    [
        new("shape", ["circle", "square", "triangle", "diamond", "cross", "star", "ring", "moon"]),
        new("texture", ["plain", "striped", "barred", "slanted", "checked", "spotted"]),
        new("colour", Colors),
        new("size", ["small", "medium", "large"]),
        new("background", ["snow", "fog", "night", "sand", "grass", "sea"]),
        new("dot_colour", Colors),
        new("dot_corner", ["upper-left", "upper-right", "lower-left", "lower-right"]),
    ];

    /// <summary>Number of distinct scenes: 221,184.</summary>
    public static int Combinations { get; } = Attributes.Aggregate(1, (product, a) => product * a.Values.Count);

    /// <summary>Value index of each attribute, in the order of <see cref="Attributes"/>.</summary>
    public int[] ToArray() => [Shape, Texture, Color, Size, Background, DotColor, DotCorner];

    /// <summary>The scene with number 0 … <see cref="Combinations"/>−1, in mixed radix.</summary>
    public static SceneFactors FromCombination(int combination)
    {
        Span<int> values = stackalloc int[Attributes.Count];
        for (var a = 0; a < values.Length; a++)
            (combination, values[a]) = Math.DivRem(combination, Attributes[a].Values.Count);
        return new SceneFactors(values[0], values[1], values[2], values[3], values[4], values[5], values[6]);
    }
}
