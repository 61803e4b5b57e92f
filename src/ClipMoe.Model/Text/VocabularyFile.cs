using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using ClipMoe.Model.Files;

namespace ClipMoe.Model.Text;

/// <summary>
/// Reads and writes vocabularies: OpenAI's list of merges (<c>bpe_simple_vocab_16e6.txt.gz</c>, also unpacked), and Hugging Face's
/// <c>vocab.json</c> with <c>merges.txt</c>.
/// </summary>
internal static class VocabularyFile
{
    private const int LargestFile = 64 << 20;

    /// <summary>A gzip header and trailer.</summary>
    private const int SmallestPackedFile = 18;

    private const string Version = "#version: 0.2", Title = "\"clipmoe_bpe.txt";
    private const string OpenAiName = "bpe_simple_vocab_16e6.txt.gz", TokensName = "vocab.json", MergesName = "merges.txt";

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    internal static Vocabulary Load(string path)
    {
        if (Directory.Exists(path))
        {
            if (File.Exists(Path.Combine(path, TokensName))) return LoadHuggingFace(path);
            if (File.Exists(Path.Combine(path, OpenAiName))) return LoadMerges(Path.Combine(path, OpenAiName));
            throw new UserErrorException($"The folder {path} holds no vocabulary: expected {TokensName} with {MergesName}, or " +
                $"{OpenAiName}.");
        }

        return Path.GetFileName(path) is TokensName or MergesName
            ? LoadHuggingFace(Path.GetDirectoryName(Path.GetFullPath(path))!)
            : LoadMerges(path);
    }

    internal static void Save(Vocabulary vocabulary, string path) => AtomicFile.Write(path, stream =>
    {
        using var packed = path.EndsWith(".gz", StringComparison.Ordinal)
            ? new GZipStream(stream, CompressionLevel.Optimal, leaveOpen: true) : null;
        using var writer = new StreamWriter(packed ?? stream, StrictUtf8, leaveOpen: true) { NewLine = "\n" };
        writer.WriteLine(Title + Version);
        foreach (var merge in vocabulary.Merges) writer.WriteLine($"{merge.Left} {merge.Right}");
    });

    private static Vocabulary LoadMerges(string path)
    {
        var merges = new List<Merge>();
        var known = new HashSet<string>(Vocabulary.FromMerges([]).Tokens);
        foreach (var (number, merge) in MergesOf(path, Vocabulary.LargestSize - Vocabulary.SmallestSize))
        {
            foreach (var part in (string[])[merge.Left, merge.Right])
            {
                if (!known.Contains(part)) throw Damaged(path, $"line {number} merges \"{part}\", which no line before makes");
            }

            known.Add(merge.Left + merge.Right);
            merges.Add(merge);
        }

        return Vocabulary.FromMerges(merges);
    }

    private static Vocabulary LoadHuggingFace(string folder)
    {
        var tokensPath = Path.Combine(folder, TokensName);
        var mergesPath = Path.Combine(folder, MergesName);
        var tokens = TokensOf(tokensPath);
        var known = new HashSet<string>(tokens);
        foreach (var token in ByteAlphabet.InVocabularyOrder.SelectMany(c => (string[])[c.ToString(), c + Vocabulary.EndOfWord]))
        {
            if (!known.Contains(token)) throw Damaged(tokensPath, $"the token \"{token}\" is missing");
        }

        var merges = new List<Merge>();
        foreach (var (number, merge) in MergesOf(mergesPath, int.MaxValue))
        {
            foreach (var token in (string[])[merge.Left, merge.Right, merge.Left + merge.Right])
            {
                if (!known.Contains(token)) throw Damaged(mergesPath, $"line {number} uses \"{token}\", which is not in {TokensName}");
            }

            merges.Add(merge);
        }

        return new Vocabulary(tokens, merges);
    }

    private static string[] TokensOf(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(ReadAll(path));
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw Damaged(path, "it is not an object of tokens and ids");
            var tokens = new string?[document.RootElement.GetPropertyCount()];
            foreach (var property in document.RootElement.EnumerateObject())
            {
                var (token, value) = (property.Name, property.Value);
                var id = value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : -1;
                if ((uint)id >= (uint)tokens.Length || tokens[id] is not null)
                    throw Damaged(path, $"the id of \"{token}\" is not one of 0 to {tokens.Length - 1}, each once");
                if (!token.All(c => ByteAlphabet.TryGetByte(c, out _)))
                    throw Damaged(path, $"the token \"{token}\" is not in the byte alphabet");
                tokens[id] = token;
            }

            if (tokens is not [.., Vocabulary.StartToken, Vocabulary.EndToken])
                throw Damaged(path, $"{Vocabulary.StartToken} and {Vocabulary.EndToken} must have the two highest ids");
            return tokens!;
        }
        catch (JsonException e)
        {
            throw Damaged(path, $"line {e.LineNumber + 1} is not JSON", e);
        }
    }

    private static IEnumerable<(int Line, Merge Merge)> MergesOf(string path, int most)
    {
        string text;
        try
        {
            text = StrictUtf8.GetString(ReadAll(path));
        }
        catch (DecoderFallbackException e)
        {
            throw Damaged(path, "it is not UTF-8", e);
        }

        var lines = text.Split('\n');
        if (!lines[0].Contains("#version")) throw Damaged(path, "its first line names no #version");
        for (var i = 1; i < lines.Length && i <= most; i++)
        {
            var parts = lines[i].Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            if (parts.Length == 0 && lines.AsSpan(i).IndexOfAnyExcept("", "\r") < 0) yield break;
            if (parts.Length != 2) throw Damaged(path, $"line {i + 1} is not a pair of tokens");
            yield return (i + 1, new Merge(parts[0], parts[1]));
        }
    }

    private static byte[] ReadAll(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            var content = ReadBounded(file, path);
            if (content is not [0x1F, 0x8B, ..]) return content;
            if (content.Length < SmallestPackedFile) throw Damaged(path, "the packed file is cut off");
            using var packed = new GZipStream(new MemoryStream(content), CompressionMode.Decompress);
            var unpacked = ReadBounded(packed, path);
            // GZipStream takes an early end for the end, and does not look at the checksum.
            var checksum = BinaryPrimitives.ReadUInt32LittleEndian(content.AsSpan(^8..));
            return checksum == Crc32.HashToUInt32(unpacked) ? unpacked : throw Damaged(path, "its checksum is wrong");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UserErrorException(
                $"The vocabulary {path} does not exist: give the path of {OpenAiName}, or of a folder with {TokensName} and {MergesName}.",
                e);
        }
        catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            throw Damaged(path, e.Message.TrimEnd('.'), e);
        }
    }

    private static byte[] ReadBounded(Stream stream, string path)
    {
        using var content = new MemoryStream();
        var buffer = new byte[1 << 16];
        for (int read; (read = stream.Read(buffer)) > 0;)
        {
            content.Write(buffer, 0, read);
            if (content.Length > LargestFile) throw Damaged(path, $"it is larger than {LargestFile >> 20} MiB");
        }

        return content.ToArray();
    }

    private static UserErrorException Damaged(string path, string how, Exception? inner = null) =>
        new($"The vocabulary {path} cannot be used: {how}; fetch or train it again.", inner);
}
