using System.CommandLine;

namespace ClipMoe.Nodes.Options;

/// <summary><c>--set key=value</c>, as often as wanted.</summary>
internal static class SetOption
{
    public static Option<string[]> Create() => new("--set")
    {
        Description = $"Sets one key, for instance mcl.steps=500; preset=NAME picks one of {string.Join(", ", ExperimentFile.Presets)}.",
        HelpName = "key=value",
    };
}
