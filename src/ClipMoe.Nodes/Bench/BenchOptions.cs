using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace ClipMoe.Nodes.Bench;

/// <summary>What the commands of <c>clipmoe bench</c> have in common.</summary>
internal static class BenchOptions
{
    internal static readonly JsonSerializerOptions SnakeCase = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };

    public static Option<bool> Json() => new("--json") { Description = "Prints one JSON object." };

    /// <summary>Of the sockets between processes of this machine.</summary>
    public static Option<string> Transport()
    {
        var option = new Option<string>("--transport") { DefaultValueFactory = _ => "tcp", Description = "tcp or unix." };
        option.AcceptOnlyFromAmong("tcp", "unix");
        return option;
    }

    /// <summary>How long a loop is measured that may end at any time.</summary>
    public static Option<double> Seconds()
    {
        var option = new Option<double>("--seconds") { Description = "How long to measure.", DefaultValueFactory = _ => 3 };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double>() is not (> 0 and <= 3600))
                result.AddError("--seconds must be above 0, and 3600 at most.");
        });
        return option;
    }

    public static Option<int> AtLeast(string name, int least, int value, string description)
    {
        var option = new Option<int>(name) { DefaultValueFactory = _ => value, Description = description };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < least) result.AddError($"{name} must be at least {least}.");
        });
        return option;
    }

    /// <summary>Prints figures as JSON, or as described.</summary>
    public static void Print<T>(T figures, bool json, Func<T, string> describe) =>
        Console.WriteLine(json ? JsonSerializer.Serialize(figures, SnakeCase) : describe(figures));
}
