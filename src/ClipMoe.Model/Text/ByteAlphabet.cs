namespace ClipMoe.Model.Text;

/// <summary>
/// A printable character for each byte, so that a vocabulary can be a text file: printable Latin-1 stands for itself, the other bytes for
/// U+0100 and on, in their order (GPT-2's <c>bytes_to_unicode</c>).
/// </summary>
internal static class ByteAlphabet
{
    private const int Bytes = 256;

    private static readonly char[] Characters = new char[Bytes];
    private static readonly Dictionary<char, byte> Values = [];

    static ByteAlphabet()
    {
        var order = Enumerable.Range(0, Bytes).Where(StandsForItself).Concat(Enumerable.Range(0, Bytes).Where(b => !StandsForItself(b)))
            .ToList();
        var next = (char)Bytes;
        foreach (var b in order) Characters[b] = StandsForItself(b) ? (char)b : next++;
        InVocabularyOrder = order.ConvertAll(b => Characters[b]);
        for (var b = 0; b < Bytes; b++) Values[Characters[b]] = (byte)b;
    }

    /// <summary>The characters as a vocabulary lists them: those that stand for themselves first.</summary>
    internal static IReadOnlyList<char> InVocabularyOrder { get; }

    internal static char Character(byte value) => Characters[value];

    internal static bool TryGetByte(char character, out byte value) => Values.TryGetValue(character, out value);

    private static bool StandsForItself(int b) => b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
}
