namespace ClipMoe.Model.Tests;

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

    /// <summary>Files of the folder whose names match, for instance <c>moe_dense_*.pt</c>, in ordinal order.</summary>
    public static IReadOnlyList<string> Matching(string pattern) =>
        [.. System.IO.Directory.GetFiles(Directory, pattern).Order(StringComparer.Ordinal)];

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

/// <summary>A test that needs these files of <see cref="Fixtures.Directory"/>; skipped, with a reason, only where the small copy lacks one.</summary>
public sealed class FixtureFactAttribute : FactAttribute
{
    public FixtureFactAttribute(params string[] files) => Skip = Fixtures.SkipReason(files);
}

/// <inheritdoc cref="FixtureFactAttribute"/>
public sealed class FixtureTheoryAttribute : TheoryAttribute
{
    public FixtureTheoryAttribute(params string[] files) => Skip = Fixtures.SkipReason(files);
}
