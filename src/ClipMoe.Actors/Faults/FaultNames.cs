using System.Reflection;
using System.Text.Json.Serialization;

namespace ClipMoe.Actors.Faults;

/// <summary>
/// The names that values have in lists of faults and in the names of files. They are those of [JsonStringEnumMemberName], as in JSON, and
/// stay when C# names change.
/// </summary>
internal static class FaultNames<T> where T : struct, Enum
{
    private static readonly Dictionary<T, string> Names = Enum.GetNames<T>().ToDictionary(
        Enum.Parse<T>, name => typeof(T).GetField(name)!.GetCustomAttribute<JsonStringEnumMemberNameAttribute>()!.Name);

    private static readonly Dictionary<string, T> Values = Names.ToDictionary(n => n.Value, n => n.Key, StringComparer.OrdinalIgnoreCase);

    public static string Of(T value) => Names[value];

    /// <summary>Reads a name, in upper or lower case.</summary>
    public static bool TryParse(string name, out T value) => Values.TryGetValue(name, out value);
}
