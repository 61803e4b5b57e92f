using System.Text;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace ClipMoe.Nodes.Options;

/// <summary>A YAML value and the line on which it stands, counted from 1.</summary>
internal abstract record YamlValue(int Line);

/// <param name="Quoted">Written in quotes or as a block: a text, whatever it looks like.</param>
internal sealed record YamlScalar(int Line, string Text, bool Quoted) : YamlValue(Line)
{
    public bool IsNull => !Quoted && Text is "" or "null" or "~";
}

internal sealed record YamlList(int Line, IReadOnlyList<YamlValue> Items) : YamlValue(Line);

internal sealed record YamlSection(int Line, IReadOnlyList<YamlEntry> Entries) : YamlValue(Line);

internal sealed record YamlEntry(int Line, string Key, YamlValue Value);

/// <summary>
/// The part of YAML that settings need: sections, lists and scalars in one small document. Aliases, tags and deep nesting are refused, so
/// that no file can grow beyond its own size.
/// </summary>
internal static class YamlDocument
{
    /// <summary>Bytes; an experiment file has a few thousand.</summary>
    public const int LargestFile = 1 << 16;

    private const int DeepestNesting = 8;

    /// <summary>Reads at most <see cref="LargestFile"/> bytes, whatever the file system says about the file's size.</summary>
    /// <exception cref="YamlException">The file is not UTF-8 or too large.</exception>
    public static string ReadText(string path)
    {
        var bytes = new byte[LargestFile + 1];
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        var length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (length > LargestFile)
            throw new YamlException($"it is larger than {LargestFile / 1024} KiB, so it is no experiment file");
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes, 0, length).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException)
        {
            throw new YamlException("it is not text in UTF-8");
        }
    }

    /// <returns>The only document's root; null for an empty text.</returns>
    /// <exception cref="YamlException">The text is not YAML, or uses what is refused here; the message says what.</exception>
    public static YamlValue? Parse(string text)
    {
        var parser = new Parser(new StringReader(text));
        try
        {
            return ParseDocument(parser);
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or IndexOutOfRangeException)
        {
            // YamlDotNet's scanner gives up like this on some malformed texts.
            var place = parser.Current?.End ?? Mark.Empty;
            throw new YamlException(place, place, "what follows is no YAML", e);
        }
    }

    private static YamlValue? ParseDocument(Parser parser)
    {
        parser.Consume<StreamStart>();
        if (parser.TryConsume<StreamEnd>(out _)) return null;
        parser.Consume<DocumentStart>();
        var root = ParseValue(parser, depth: 0);
        parser.Consume<DocumentEnd>();
        if (parser.Accept<DocumentStart>(out var second))
            throw new YamlException(second.Start, second.End, "a second document begins here; an experiment is one document");
        return root;
    }

    private static YamlValue ParseValue(IParser parser, int depth)
    {
        if (parser.Accept<AnchorAlias>(out var alias))
            throw new YamlException(alias.Start, alias.End, $"aliases (*{alias.Value}) are not allowed; write the value out");
        var node = parser.Consume<NodeEvent>();
        if (!node.Anchor.IsEmpty)
            throw new YamlException(node.Start, node.End, $"anchors (&{node.Anchor}) are not allowed; write each value out");
        if (!node.Tag.IsEmpty)
            throw new YamlException(node.Start, node.End, $"tags ({node.Tag}) are not allowed");
        if (depth > DeepestNesting)
            throw new YamlException(node.Start, node.End, $"it is nested more than {DeepestNesting} levels deep");

        var line = Line(node);
        switch (node)
        {
            case Scalar scalar:
                return new YamlScalar(line, scalar.Value, scalar.Style != ScalarStyle.Plain);
            case SequenceStart:
                var items = new List<YamlValue>();
                while (!parser.TryConsume<SequenceEnd>(out _)) items.Add(ParseValue(parser, depth + 1));
                return new YamlList(line, items);
            default:
                var entries = new List<YamlEntry>();
                while (!parser.TryConsume<MappingEnd>(out _))
                {
                    if (ParseValue(parser, depth + 1) is not YamlScalar key)
                        throw new YamlException(parser.Current!.Start, parser.Current.End, "a list or a section can't be a key");
                    entries.Add(new YamlEntry(key.Line, key.Text, ParseValue(parser, depth + 1)));
                }
                return new YamlSection(line, entries);
        }
    }

    private static int Line(ParsingEvent e) => (int)e.Start.Line;
}
