namespace ClipMoe.Nodes.Dashboard.Html;

/// <summary>Tables that scroll sideways by themselves where the page is too narrow for them.</summary>
internal static class Table
{
    public static Markup Format(Markup head, IEnumerable<Markup> rows) => Markup.Format($"""
        <div class="scroll">
        <table>
        <thead>{head}</thead>
        <tbody>
        {rows}</tbody>
        </table>
        </div>
        """);

    /// <param name="own">Marks the row of the run's own result.</param>
    public static Markup Row(IEnumerable<Markup> cells, bool own = false) => own
        ? Markup.Format($"<tr class=\"own\">{cells}</tr>\n")
        : Markup.Format($"<tr>{cells}</tr>\n");

    public static Markup Head(string text, string look = "") => Markup.Format($"<th class=\"{look}\">{text}</th>");

    public static Markup Cell(string text, string look = "") => Markup.Format($"<td class=\"{look}\">{text}</td>");
}
