namespace ClipMoe.Model.Datasets.Scenes;

/// <summary>Captions that name every attribute of a scene in words: four templates of 18 words, with synonyms.</summary>
internal static class SceneCaptions
{
    private static readonly string[][] Shapes =
    [
        ["circle", "disc"], ["square", "box"], ["triangle"], ["diamond", "rhombus"],
        ["cross", "plus"], ["star"], ["ring", "hoop"], ["moon", "crescent"],
    ];

    private static readonly string[][] Sizes = [["small", "little"], ["medium", "middling"], ["large", "big"]];

    private static readonly string[][] Corners =
    [
        ["upper left", "top left"], ["upper right", "top right"], ["lower left", "bottom left"], ["lower right", "bottom right"],
    ];

    private static readonly string[] Dots = ["dot", "speck", "point"];

    public static string Write(SceneFactors f, ref SceneRandom random)
    {
        var shape = Pick(Shapes[f.Shape], ref random);
        var size = Pick(Sizes[f.Size], ref random);
        var corner = Pick(Corners[f.DotCorner], ref random);
        var dot = Pick(Dots, ref random);
        var texture = SceneFactors.Attributes[1].Values[f.Texture];
        var color = SceneFactors.Attributes[2].Values[f.Color];
        var background = SceneFactors.Attributes[4].Values[f.Background];
        var dotColor = SceneFactors.Attributes[5].Values[f.DotColor];
        return random.Below(4) switch
        {
            0 => $"a {size} {color} {shape} with a {texture} surface on {background} and a {dotColor} {dot} in the {corner}",
            1 => $"on a {background} background there is a {texture} {size} {color} {shape} and a {dotColor} {dot} at the {corner}",
            2 => $"a picture of a {dotColor} {dot} in the {corner} and a {size} {color} {texture} {shape} over {background}",
            _ => $"the {shape} is {size} and {color} and {texture} with {background} behind and the {corner} {dot} is {dotColor}",
        };
    }

    private static string Pick(string[] synonyms, ref SceneRandom random) => synonyms[random.Below(synonyms.Length)];
}
