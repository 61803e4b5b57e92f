using System.Buffers.Binary;
using System.Globalization;
using ClipMoe.Actors.Reports;
using ClipMoe.Nodes.Dashboard.Html;

namespace ClipMoe.Nodes.Dashboard;

/// <summary>Queries, and what the model found for them.</summary>
internal static class ExampleSection
{
    /// <summary>Pictures up to this many pixels wide are shown as the pixels they are.</summary>
    private const int PixelArt = 96;

    public static Markup Write(RunReport report) => report.Examples.Count == 0 ? Markup.Empty : Markup.Format($"""
        <p class="quiet">Held-out samples at even distances, not chosen ones: what {report.Examples[0].Model} ranks highest for each. The
        right
        answer is marked.</p>
        {Group("Text → image", report.Examples.Where(e => e.Direction == "text_to_image"), Pictures)}
        {Group("Image → text", report.Examples.Where(e => e.Direction == "image_to_text"), Captions)}
        """);

    private static Markup Group(string title, IEnumerable<RetrievalExample> examples, Func<RetrievalExample, Markup> results)
    {
        var cards = examples.Select(e => Markup.Format($"""
            <div class="example">
            <div class="query">
            {Picture(e.Picture, e.Caption)}
            <div><bdi>“{e.Caption}”</bdi><br/><span class="quiet">right answer at rank {e.Rank}</span></div>
            </div>
            {results(e)}
            </div>

            """)).ToList();
        return cards.Count == 0 ? Markup.Empty : Markup.Format($"<h3>{title}</h3>\n<div class=\"examples\">\n{cards}</div>\n");
    }

    private static Markup Pictures(RetrievalExample example) => Markup.Format($"""
        <div class="shots">
        {example.Results.Select((r, i) => Markup.Format($"""
            <figure class="{Side(r)}">
            {Picture(r.Picture, r.Caption)}
            <figcaption><span class="mark">{Mark(r)}</span> {i + 1} · {Score(r)}</figcaption>
            </figure>

            """))}</div>
        """);

    private static Markup Captions(RetrievalExample example) => Markup.Format($"""
        <ol class="captions">
        {example.Results.Select(r => Markup.Format($"""
            <li class="{Side(r)}"><span class="mark">{Mark(r)}</span><bdi>{r.Caption}</bdi><span>{Score(r)}</span></li>

            """))}</ol>
        """);

    private static string Side(RetrievedItem item) => item.Correct ? "right" : "wrong";

    private static string Mark(RetrievedItem item) => item.Correct ? "✓" : "✗";

    private static string Score(RetrievedItem item) => item.Score.ToString("0.00", CultureInfo.InvariantCulture);

    private static Markup Picture(byte[] bytes, string caption)
    {
        if (MediaType(bytes) is not { } type) return Markup.Format($"<span class=\"none\">no picture</span>");
        var look = Width(bytes) is > 0 and <= PixelArt ? "pixels" : "photo";
        return Markup.Format($"<img class=\"{look}\" src=\"data:{type};base64,{Convert.ToBase64String(bytes)}\" alt=\"{caption}\"/>");
    }

    /// <summary>Of the formats that browsers show; nothing else may stand in the page.</summary>
    private static string? MediaType(ReadOnlySpan<byte> bytes) => bytes switch
    {
        [0x89, (byte)'P', (byte)'N', (byte)'G', ..] => "image/png",
        [0xFF, 0xD8, 0xFF, ..] => "image/jpeg",
        [(byte)'G', (byte)'I', (byte)'F', (byte)'8', ..] => "image/gif",
        [(byte)'R', (byte)'I', (byte)'F', (byte)'F', _, _, _, _, (byte)'W', (byte)'E', (byte)'B', (byte)'P', ..] => "image/webp",
        _ => null,
    };

    /// <summary>Pixels, of a PNG; 0 for others.</summary>
    private static int Width(ReadOnlySpan<byte> bytes) =>
        MediaType(bytes) == "image/png" && bytes.Length >= 24 ? BinaryPrimitives.ReadInt32BigEndian(bytes[16..]) : 0;
}
