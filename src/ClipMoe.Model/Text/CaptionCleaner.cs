using System.Buffers;
using System.Text;
using ClipMoe.Model.Text.Html;
using ClipMoe.Model.Text.Repair;
using ClipMoe.Model.Text.Unicode;

namespace ClipMoe.Model.Text;

/// <summary>
/// What the reference tokenizer does to a caption before it looks for words (<c>basic_clean</c>, <c>whitespace_clean</c>, <c>lower</c>).
/// </summary>
internal static class CaptionCleaner
{
    /// <summary>Repaired, unescaped twice, white space collapsed to single spaces, trimmed, lower-cased.</summary>
    internal static string Clean(string caption)
    {
        var text = CharacterReferences.Unescape(CharacterReferences.Unescape(TextRepair.Repair(caption)));
        return LowerCase.Apply(CollapseSpaces(text));
    }

    private static string CollapseSpaces(string text)
    {
        var buffer = ArrayPool<char>.Shared.Rent(text.Length);
        var length = 0;
        var pending = false;
        foreach (var c in text)
        {
            if (CharacterTables.ClassOf(c) == CharacterClass.Space)
            {
                pending = length > 0;
                continue;
            }

            if (pending) buffer[length++] = ' ';
            pending = false;
            buffer[length++] = c;
        }

        var collapsed = new string(buffer, 0, length);
        ArrayPool<char>.Shared.Return(buffer);
        return collapsed;
    }
}
