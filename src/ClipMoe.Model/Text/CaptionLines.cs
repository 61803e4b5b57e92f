using System.Text;

namespace ClipMoe.Model.Text;

/// <summary>Captions in a file, one a line.</summary>
public static class CaptionLines
{
    private const int LongestLine = 16 << 20;

    /// <summary>
    /// The lines of UTF-8 text, without the line feed and a carriage return before it; other line breaks belong to the caption. Bytes that
    /// are no UTF-8 become U+FFFD. A last line without a line feed counts, an empty one does not.
    /// </summary>
    /// <param name="stream">Read once, as the lines are asked for; not disposed of.</param>
    /// <param name="name">What to call the stream in an error.</param>
    /// <exception cref="UserErrorException">A line is longer than any caption.</exception>
    public static IEnumerable<string> Read(Stream stream, string name)
    {
        var buffer = new byte[1 << 16];
        var (start, end) = (0, 0);
        var searched = 0;
        for (var number = 1; ; number++)
        {
            int length;
            while ((length = buffer.AsSpan(start + searched, end - start - searched).IndexOf((byte)'\n')) < 0)
            {
                searched = end - start;
                if (searched > LongestLine)
                    throw new UserErrorException($"Line {number} of {name} is longer than {LongestLine >> 20} MiB: expected one caption " +
                        $"a line.");
                if (start > 0) buffer.AsSpan(start, searched).CopyTo(buffer);
                (start, end) = (0, searched);
                if (end == buffer.Length) Array.Resize(ref buffer, buffer.Length * 2);
                var read = stream.Read(buffer, end, buffer.Length - end);
                end += read;
                if (read > 0) continue;
                if (end > 0) yield return Text(buffer.AsSpan(0, end));
                yield break;
            }

            length += searched;
            yield return Text(buffer.AsSpan(start, length));
            start += length + 1;
            searched = 0;
        }
    }

    private static string Text(ReadOnlySpan<byte> line) => Encoding.UTF8.GetString(line is [.., (byte)'\r'] ? line[..^1] : line);
}
