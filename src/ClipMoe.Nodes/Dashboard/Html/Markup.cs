using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace ClipMoe.Nodes.Dashboard.Html;

/// <summary>
/// A piece of HTML (well-formed as XML too). Interpolating into <see cref="Format"/> escapes everything that is not itself markup, so that
/// text from a data set can't become part of the page.
/// </summary>
internal readonly record struct Markup(string Text)
{
    public static readonly Markup Empty = new("");

    public static Markup Format(MarkupHandler handler) => new(handler.ToString());

    public static Markup Join(IEnumerable<Markup> pieces) => new(string.Concat(pieces.Select(p => p.Text)));

    /// <summary>The piece for a value that is there, nothing for one that is not.</summary>
    public static Markup If<T>(T? value, Func<T, Markup> piece) where T : class => value is null ? Empty : piece(value);

    public override string ToString() => Text;
}

/// <summary>Escapes what is interpolated.</summary>
[InterpolatedStringHandler]
internal readonly struct MarkupHandler
{
    private readonly StringBuilder _text;

    public MarkupHandler(int literalLength, int holes) => _text = new StringBuilder(literalLength + 16 * holes);

    public void AppendLiteral(string literal) => _text.Append(literal);

    public void AppendFormatted(Markup markup) => _text.Append(markup.Text);

    public void AppendFormatted(IEnumerable<Markup> pieces)
    {
        foreach (var piece in pieces) _text.Append(piece.Text);
    }

    public void AppendFormatted(string? text) => Escape(text ?? "");

    /// <summary>Coordinates: a hundredth of a pixel is enough, and never the locale's comma.</summary>
    public void AppendFormatted(double number) => _text.Append(number.ToString("0.##", CultureInfo.InvariantCulture));

    public void AppendFormatted(int number) => _text.Append(number.ToString(CultureInfo.InvariantCulture));

    public override string ToString() => _text.ToString();

    /// <summary>Characters that XML does not allow, lone surrogates among them, become the replacement character.</summary>
    private void Escape(string text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            _ = rune.Value switch
            {
                '<' => _text.Append("&lt;"),
                '>' => _text.Append("&gt;"),
                '&' => _text.Append("&amp;"),
                '"' => _text.Append("&quot;"),
                '\'' => _text.Append("&#39;"),
                '\t' or '\n' => _text.Append((char)rune.Value),
                < 0x20 or (>= 0x7F and < 0xA0) or 0xFFFE or 0xFFFF => _text.Append('\uFFFD'),
                _ => _text.Append(rune.ToString()),
            };
        }
    }
}
