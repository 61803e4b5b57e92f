using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using ClipMoe.Actors.Experiments;

namespace ClipMoe.Nodes.Options;

/// <summary>Writes an experiment with all its keys, so that <see cref="ExperimentFile"/> reads the same experiment back.</summary>
internal static partial class ExperimentYaml
{
    public static string Write(Experiment experiment)
    {
        var yaml = new StringBuilder();
        Write(ExperimentJson.Write(experiment), indent: 0, yaml);
        return yaml.ToString();
    }

    private static void Write(JsonObject section, int indent, StringBuilder yaml)
    {
        foreach (var (key, value) in section)
        {
            yaml.Append(' ', indent).Append(key).Append(':');
            if (value is JsonObject child)
            {
                yaml.Append('\n');
                Write(child, indent + 2, yaml);
            }
            else
            {
                yaml.Append(' ').Append(Text(value)).Append('\n');
            }
        }
    }

    private static string Text(JsonNode? value) => value switch
    {
        null => "null",
        JsonArray list => $"[{string.Join(", ", list.Select(Text))}]",
        JsonValue scalar when scalar.TryGetValue<string>(out var text) && PlainText().IsMatch(text)
            && !LooksOtherwise().IsMatch(text) => text,
        _ => value.ToJsonString(),
    };

    /// <summary>Characters that mean nothing in YAML, begun by a letter or a slash.</summary>
    [GeneratedRegex(@"^[A-Za-z/][A-Za-z0-9_./+-]*\z")]
    private static partial Regex PlainText();

    /// <summary>Words that some YAML reader takes for something else than a text.</summary>
    [GeneratedRegex("^(null|true|false|yes|no|on|off|y|n)$", RegexOptions.IgnoreCase)]
    private static partial Regex LooksOtherwise();
}
