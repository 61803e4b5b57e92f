using System.Text;
using ClipMoe.Model.Text.Repair;

namespace ClipMoe.Model.Tests.Text;

/// <summary>The examples of ftfy's documentation, and the corners of its rules; what it gives was recorded from ftfy 6.3.1.</summary>
public sealed class TextRepairTests
{
    [Theory]
    [InlineData("âœ” No problems", "✔ No problems")]
    [InlineData("&macr;\\_(ã\u0083\u0084)_/&macr;", "¯\\_(ツ)_/¯")]
    [InlineData("Broken text&hellip; it&#x2019;s ﬂubberiﬁc!", "Broken text… it's flubberific!")]
    [InlineData("ＬＯＵＤ　ＮＯＩＳＥＳ", "LOUD NOISES")]
    [InlineData("voilÃ le travail", "voilà le travail")]
    [InlineData("â€œ like this â€�", "\" like this �")]
    [InlineData("P&EACUTE;REZ BUNDESSTRA&SZLIG;E &nTILDE;", "PÉREZ BUNDESSTRASSE &nTILDE;")]
    [InlineData("Ｕﾀｰﾝ ｶﾞ", "Uターン ガ")]
    [InlineData("\u001B[36;44mI'm blue\u001B[0m", "I'm blue")]
    [InlineData("one\r\ntwo\rthree\u2028four\u0085", "one\ntwo\nthree\nfour…")]
    [InlineData("\uFEFFa\u0000b\u200Bc\uFFFCd", "ab\u200Bcd")]
    public void Documented_examples(string broken, string repaired) => Assert.Equal(repaired, TextRepair.Repair(broken));

    [Theory]
    [InlineData("plain text, 100% fine")]
    [InlineData("Café über naïve — ‹ÅÄÖ› £5 ½ ™")]
    [InlineData("ΑΒΓ абв 東京 한국어 😀 ÃÕ \\(ö)/")]
    public void Sound_text_stays(string text) => Assert.Equal(text, TextRepair.Repair(text));

    [Theory]
    [InlineData(1252)]
    [InlineData(1251)]
    [InlineData(1250)]
    [InlineData(1253)]
    [InlineData(1254)]
    [InlineData(1257)]
    [InlineData(10000)]
    [InlineData(437)]
    [InlineData(28591)]
    [InlineData(28592)]
    public void Text_read_in_another_encoding_is_read_again(int codePage)
    {
        const string text = "the sign says \u2019l\u2019été à la carte\u2019 – 東京 😀";
        var encoding = CodePagesEncodingProvider.Instance.GetEncoding(codePage) ?? Encoding.GetEncoding(codePage);
        var garbled = encoding.GetString(Encoding.UTF8.GetBytes(text));
        Assert.NotEqual(text, garbled);
        // Bytes without a character in that encoding are what ftfy calls sloppy; .NET puts them elsewhere.
        if (garbled.Any(c => c is >= '\uF800' and <= '\uF8FE')) return;

        Assert.Equal(text.Replace('\u2019', '\''), TextRepair.Repair(garbled));
    }

    [Fact]
    public void Text_garbled_twice_is_read_again_twice()
    {
        var garbled = "l’été";
        for (var i = 0; i < 2; i++) garbled = string.Concat(Encoding.UTF8.GetBytes(garbled).Select(b => (char)b));
        Assert.Equal("l'été", TextRepair.Repair(garbled));
    }

    [Fact]
    public void Only_the_garbled_part_of_a_text_is_read_again() =>
        Assert.Equal("東京 est à l'été", TextRepair.Repair("東京 est Ã\u00A0 l’Ã©tÃ©"));

    [Fact]
    public void Entities_stay_from_the_first_line_on_that_looks_like_HTML() =>
        Assert.Equal("&\n<b>&amp;\n&amp;", TextRepair.Repair("&amp;\n<b>&amp;\n&amp;"));

    [Fact]
    public void Lone_surrogates_become_replacement_characters()
    {
        Assert.Equal("\uFFFD", TextRepair.Repair("\uD83D"));
        Assert.Equal("a\uFFFD\uFFFDb", TextRepair.Repair("a\uDE00\uD83Db"));
        Assert.Equal("\uFFFD\uFFFD", TextRepair.Repair("\uD83D\u0007\uDE00"));
        Assert.Equal("\uD83D\uDE00", TextRepair.Repair("\uD83D\uDE00"));
    }

    [Theory]
    [InlineData("í\u00A0½í¸\u0080", "😀")]
    [InlineData("Ã©À\u0080Ã©", "éé")]
    public void Variants_of_UTF8_are_read(string garbled, string repaired) => Assert.Equal(repaired, TextRepair.Repair(garbled));

    [Theory]
    [InlineData("e\u0301", "é")]
    [InlineData("a\u0308\u0323", "ạ\u0308")]
    [InlineData("\u1112\u1161\u11AB", "한")]
    [InlineData("\u0958", "क\u093C")]
    [InlineData("\u212B\u2126", "ÅΩ")]
    [InlineData("\u0344", "\u0308\u0301")]
    [InlineData("\U0001D15E", "\U0001D157\U0001D165")]
    public void Text_is_composed(string text, string composed) => Assert.Equal(composed, TextRepair.Repair(text));
}
