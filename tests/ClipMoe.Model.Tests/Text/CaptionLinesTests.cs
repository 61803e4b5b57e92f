using System.Text;
using ClipMoe.Model.Text;

namespace ClipMoe.Model.Tests.Text;

public sealed class CaptionLinesTests
{
    [Theory]
    [InlineData("", new string[0])]
    [InlineData("one", new[] { "one" })]
    [InlineData("one\n\ntwo\r\nthree\rfour\n", new[] { "one", "", "two", "three\rfour" })]
    public void A_line_feed_ends_a_caption(string text, string[] captions) =>
        Assert.Equal(captions, Read(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Bytes_that_are_no_UTF8_become_replacement_characters() =>
        Assert.Equal(["a\uFFFDb", "c"], Read([(byte)'a', 0xFF, (byte)'b', 10, (byte)'c']));

    [Fact]
    public void Lines_longer_than_the_buffer_stay_whole()
    {
        var random = new Random(1);
        var lines = Enumerable.Range(0, 40).Select(i => new string('x', random.Next(200_000))).ToList();
        Assert.Equal(lines, Read(Encoding.UTF8.GetBytes(string.Join('\n', lines) + '\n')));
    }

    [Fact]
    public void A_line_that_never_ends_is_refused() =>
        Assert.Contains("Line 2 of here", Assert.Throws<UserErrorException>(() => Read([10, .. new byte[20 << 20]])).Message);

    private static List<string> Read(byte[] bytes) => [.. CaptionLines.Read(new MemoryStream(bytes), "here")];
}
