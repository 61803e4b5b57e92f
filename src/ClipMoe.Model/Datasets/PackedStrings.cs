using System.Text;

namespace ClipMoe.Model.Datasets;

/// <summary>
/// Millions of strings as UTF-8 in a few large blocks: 8 bytes a string on top of its text, and nothing for the garbage collector to walk.
/// Filled by one thread, then read by any.
/// </summary>
internal sealed class PackedStrings
{
    private const int BlockSize = 1 << 20;

    private readonly List<byte[]> _blocks = [];
    private readonly List<long> _starts = [];
    private int _used = BlockSize;

    public int Count => _starts.Count;

    public string this[int index] => Encoding.UTF8.GetString(Bytes(index));

    /// <summary>The bytes as they were added, UTF-8 or not.</summary>
    public ReadOnlySpan<byte> Bytes(int index)
    {
        var start = _starts[index];
        var block = _blocks[(int)(start >> 32)];
        var offset = (int)start;
        return block.AsSpan(offset + sizeof(int), BitConverter.ToInt32(block, offset));
    }

    /// <returns>The string's index.</returns>
    public int Add(string text) => Add(Encoding.UTF8.GetBytes(text));

    /// <inheritdoc cref="Add(string)"/>
    public int Add(ReadOnlySpan<byte> text)
    {
        var needed = checked(sizeof(int) + text.Length);
        if (_used + needed > (_blocks.Count == 0 ? 0 : _blocks[^1].Length))
        {
            _blocks.Add(new byte[Math.Max(BlockSize, needed)]);
            _used = 0;
        }

        var block = _blocks[^1];
        BitConverter.TryWriteBytes(block.AsSpan(_used), text.Length);
        text.CopyTo(block.AsSpan(_used + sizeof(int)));
        _starts.Add(((long)(_blocks.Count - 1) << 32) | (uint)_used);
        _used += needed;
        return _starts.Count - 1;
    }
}
