namespace ClipMoe.Nodes.Tests.Architecture;

public sealed class LineLengthTests
{
    private const int Longest = 140;

    [Fact]
    public void No_line_is_longer_than_a_screen_is_wide()
    {
        var tooLong = ((string[])["src", "tests"]).SelectMany(SourceTree.FilesBelow).SelectMany(LongLinesOf).ToList();
        Assert.True(tooLong.Count == 0, string.Join('\n', tooLong));
    }

    private static IEnumerable<string> LongLinesOf(string file) => File.ReadLines(file).Index()
        .Where(line => line.Item.Length > Longest)
        .Select(line => $"{Path.GetRelativePath(SourceTree.Root, file)}:{line.Index + 1} has {line.Item.Length} characters");
}
