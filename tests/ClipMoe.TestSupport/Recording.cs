using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace ClipMoe.TestSupport;

/// <summary>
/// JSON as earlier versions wrote it, one line each: a name, a space, the JSON. Journals, users' files and processes of an earlier version
/// hold such bytes, so the names in them outlive the C# names that they were made from: a member that is renamed keeps its old name by
/// [JsonPropertyName] or [JsonStringEnumMemberName]. Lines are only ever added.
/// </summary>
public sealed class Recording
{
    private readonly string _file;

    /// <param name="file">An embedded file of the test project that makes this.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public Recording(string file)
    {
        _file = file;
        using var reader = new StreamReader(Assembly.GetCallingAssembly().GetManifestResourceStream(file)!);
        var lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Lines = [.. lines.Select(l => l.Split(' ', 2)).Select(parts => (parts[0], parts[1]))];
    }

    public IReadOnlyList<(string Name, string Json)> Lines { get; }

    /// <summary>This version writes only lines that were recorded: the same bytes as before, and nothing new goes unrecorded.</summary>
    public void RequireAll(IEnumerable<(string Name, string Json)> written)
    {
        var missing = written.Distinct().Except(Lines).Select(line => $"{line.Name} {line.Json}\n").ToList();
        Assert.True(
            missing.Count == 0,
            $"{_file} lacks what this version writes. If no recorded name changed, add at its end:\n{string.Concat(missing)}");
    }

    /// <summary>Every recorded line is read, and all of it stands in what is written again. Members may have been added since.</summary>
    public void RequireReadable(Func<string, string, string> rewrite)
    {
        foreach (var (name, json) in Lines)
        {
            using var recorded = JsonDocument.Parse(json);
            using var rewritten = JsonDocument.Parse(rewrite(name, json));
            RequireKept(name, recorded.RootElement, rewritten.RootElement);
        }
    }

    private static void RequireKept(string path, JsonElement recorded, JsonElement rewritten)
    {
        Assert.True(recorded.ValueKind == rewritten.ValueKind, $"{path} was {recorded.GetRawText()} and is {rewritten.GetRawText()}");
        switch (recorded.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in recorded.EnumerateObject())
                {
                    Assert.True(rewritten.TryGetProperty(member.Name, out var kept), $"{path}.{member.Name} is gone");
                    RequireKept($"{path}.{member.Name}", member.Value, kept);
                }
                break;
            case JsonValueKind.Array:
                Assert.Equal(recorded.GetArrayLength(), rewritten.GetArrayLength());
                foreach (var (before, now) in recorded.EnumerateArray().Zip(rewritten.EnumerateArray()))
                    RequireKept($"{path}[]", before, now);
                break;
            default:
                Assert.Equal((path, recorded.GetRawText()), (path, rewritten.GetRawText()));
                break;
        }
    }
}
