using System.Text.Json;

namespace ClipMoe.TestSupport;

/// <summary>
/// The golden files that parity tests read: the folder in <c>CLIPMOE_FIXTURES</c>, else the nearest <c>shared/fixtures</c> beside a folder
/// above the repository, else the small copy in <c>tests/fixtures</c>, which holds only part of them.
/// </summary>
public static class Fixtures
{
    public const string DirectoryVariable = "CLIPMOE_FIXTURES";

    private static readonly string SmallCopy = System.IO.Path.Combine(RepositoryRoot(), "tests", "fixtures");

    public static string Directory { get; } = Find();

    public static bool IsSmallCopy => Directory == SmallCopy;

    public static string Path(string file) => System.IO.Path.Combine(Directory, file);

    /// <summary>Files of the folder whose names match, for instance <c>*.pt</c>, in ordinal order.</summary>
    public static IReadOnlyList<string> Matching(string pattern) =>
        [.. System.IO.Directory.GetFiles(Directory, pattern).Order(StringComparer.Ordinal)];

    /// <summary>The numbered dense checkpoints <c>moe_dense_N.pt</c>, by number.</summary>
    public static IReadOnlyList<string> DenseCheckpoints() =>
        [.. System.IO.Directory.GetFiles(Directory, "moe_dense_*.pt").OrderBy(path => path.Length)
            .ThenBy(path => path, StringComparer.Ordinal)];

    /// <summary>The cases of <c>moe_config.json</c> whose checkpoint is there: all of them, but in the small copy.</summary>
    public static IReadOnlyList<MoeCase> MoeCases()
    {
        if (!File.Exists(Path(MoeCase.ConfigFile))) return [];
        var cases = JsonDocument.Parse(File.ReadAllBytes(Path(MoeCase.ConfigFile))).RootElement.GetProperty("cases").EnumerateObject();
        return [.. cases.Select(c => new MoeCase(c.Name, c.Value)).Where(c => !IsSmallCopy || File.Exists(c.Checkpoint))];
    }

    /// <summary>Why a test that needs these files cannot run; null when it can, and must.</summary>
    internal static string? SkipReason(IReadOnlyList<string> files)
    {
        if (!IsSmallCopy) return null;
        var missing = files.Where(f => !File.Exists(Path(f))).ToList();
        return missing.Count == 0
            ? null
            : $"the small copy in tests/fixtures lacks {string.Join(", ", missing)}; set {DirectoryVariable} to the whole folder";
    }

    private static string Find()
    {
        var chosen = Environment.GetEnvironmentVariable(DirectoryVariable);
        if (!string.IsNullOrEmpty(chosen)) return System.IO.Path.GetFullPath(chosen);
        for (var folder = System.IO.Directory.GetParent(RepositoryRoot()); folder is not null; folder = folder.Parent)
        {
            var candidate = System.IO.Path.Combine(folder.FullName, "shared", "fixtures");
            if (System.IO.Directory.Exists(candidate)) return candidate;
        }

        return SmallCopy;
    }

    private static string RepositoryRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder.FullName, "ClipMoe.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException($"no ClipMoe.sln above {AppContext.BaseDirectory}");
    }
}

/// <summary>A CLIP-MoE that the reference made: a case of <c>moe_config.json</c>. Names are the fixtures' own and mean nothing.</summary>
public sealed record MoeCase(string Name, JsonElement Expected)
{
    public const string ConfigFile = "moe_config.json", InputsFile = "moe_inputs.safetensors";

    public string Checkpoint => Fixtures.Path($"{Name}.pt");

    public string Outputs => Fixtures.Path($"{Name}_io.safetensors");

    public int Experts => Expected.GetProperty("num_experts").GetInt32();

    public int TopK => Expected.GetProperty("top_k").GetInt32();

    /// <summary>Name and shape of every tensor, in the file's order.</summary>
    public IEnumerable<(string Name, long[] Shape)> Keys =>
        Expected.GetProperty("keys").EnumerateObject().Select(k => (k.Name, k.Value.EnumerateArray().Select(s => s.GetInt64()).ToArray()));
}

/// <summary>
/// A test that needs these files of <see cref="Fixtures.Directory"/>; skipped, with a reason, only where the small copy lacks one.
/// </summary>
public sealed class FixtureFactAttribute : FactAttribute
{
    public FixtureFactAttribute(params string[] files) => Skip = Fixtures.SkipReason(files);
}

/// <inheritdoc cref="FixtureFactAttribute"/>
public sealed class FixtureTheoryAttribute : TheoryAttribute
{
    public FixtureTheoryAttribute(params string[] files) => Skip = Fixtures.SkipReason(files);
}
