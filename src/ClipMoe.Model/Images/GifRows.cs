using System.Buffers.Binary;

namespace ClipMoe.Model.Images;

/// <summary>
/// The first frame of a GIF, as Pillow shows it: what is transparent has the color that the palette gives it, which libvips does not tell.
/// Outside of the frame lies the transparent color, or the first of the palette. A palette of the grays in order makes a gray image.
/// </summary>
internal sealed class GifRows : ImageRows
{
    private const int HeaderLength = 13, DescriptorLength = 9, HasPalette = 0x80, Interlaced = 0x40;
    private const byte Extension = 0x21, ImageSeparator = 0x2C, Trailer = 0x3B, GraphicControl = 0xF9;

    private readonly byte[] _indices, _palette;
    private readonly byte[] _strip;

    /// <param name="indices">[height, width]</param>
    /// <param name="palette">256 colors of three bytes; empty for a gray image.</param>
    /// <param name="width">Pixels in a row.</param>
    /// <param name="height">Rows.</param>
    private GifRows(byte[] indices, byte[] palette, int width, int height)
        : base(ImageFormat.Gif, palette.Length == 0 ? new(PixelMode.Gray, 1, 1) : new(PixelMode.Palette, 3, 1), width, height)
    {
        (_indices, _palette) = (indices, palette);
        _strip = new byte[palette.Length == 0 ? 0 : RowsPerStrip * RowBytes];
    }

    public static GifRows Open(ReadOnlySpan<byte> file, string name, long maxPixels)
    {
        var cutShort = ImageErrors.CutShort(name, ImageFormat.Gif);
        var reader = new Reader(file, cutShort);
        var header = reader.Take(HeaderLength);
        var globalPalette = reader.TakePalette(header[10]);
        var transparent = SkipToImage(ref reader, name);

        var descriptor = reader.Take(DescriptorLength);
        var (left, top) = (Word(descriptor, 0), Word(descriptor, 2));
        var (frameWidth, frameHeight) = (Word(descriptor, 4), Word(descriptor, 6));
        var (width, height) = (Math.Max(Word(header, 6), left + frameWidth), Math.Max(Word(header, 8), top + frameHeight));
        ImageDecoder.CheckSize(name, width, height, maxPixels);
        if (frameWidth == 0 || frameHeight == 0) throw ImageErrors.Damaged(name, ImageFormat.Gif, file);

        var localPalette = reader.TakePalette(descriptor[8]);
        var palette = localPalette.IsEmpty ? globalPalette : localPalette;
        var codeBits = reader.Take(1)[0];
        if (codeBits is < 1 or > 8) throw ImageErrors.Damaged(name, ImageFormat.Gif, file);

        var indices = new byte[width * height];
        if (transparent is { } index) indices.AsSpan().Fill(index);
        var target = new FramePixels(indices, width, left, top, frameWidth, frameHeight, (descriptor[8] & Interlaced) != 0);
        if (!Decompress(ref reader, codeBits, target)) throw ImageErrors.Damaged(name, ImageFormat.Gif, file);
        return new GifRows(indices, IsGrayRamp(palette) ? [] : Padded(palette), width, height);
    }

    public override ReadOnlySpan<byte> Read(int top, int count)
    {
        var indices = _indices.AsSpan(top * Width, count * Width);
        if (_palette.Length == 0) return indices;
        for (var i = 0; i < indices.Length; i++) _palette.AsSpan(3 * indices[i], 3).CopyTo(_strip.AsSpan(3 * i));
        return _strip.AsSpan(0, count * RowBytes);
    }

    public override void Dispose()
    {
    }

    /// <summary>Reads extensions up to the first image; returns its transparent color, if it has one.</summary>
    private static byte? SkipToImage(ref Reader reader, string name)
    {
        byte? transparent = null;
        while (true)
        {
            switch (reader.Take(1)[0])
            {
                case ImageSeparator:
                    return transparent;
                case Trailer:
                    throw new UserErrorException($"{name} is a GIF file without a picture; leave it out.");
                case Extension:
                    var isControl = reader.Take(1)[0] == GraphicControl;
                    for (var block = reader.TakeBlock(); !block.IsEmpty; block = reader.TakeBlock())
                        if (isControl && block.Length >= 4 && (block[0] & 1) != 0) transparent = block[3];
                    break;
            }
        }
    }

    /// <summary>LZW with codes of growing width. False when a code is not in the table or the data ends before the last pixel.</summary>
    private static bool Decompress(ref Reader reader, int codeBits, FramePixels target)
    {
        const int maxCodes = 4096;
        Span<ushort> prefix = new ushort[maxCodes];
        Span<byte> suffix = new byte[maxCodes], stack = new byte[maxCodes + 1];
        var (clear, end) = (1 << codeBits, (1 << codeBits) + 1);
        for (var i = 0; i < clear; i++) suffix[i] = (byte)i;

        var (next, width, previous, bits, bitCount) = (end + 1, codeBits + 1, -1, 0u, 0);
        byte first = 0;
        var block = ReadOnlySpan<byte>.Empty;
        while (!target.IsComplete)
        {
            while (bitCount < width)
            {
                if (block.IsEmpty && (block = reader.TakeBlock()).IsEmpty) return false;
                bits |= (uint)block[0] << bitCount;
                bitCount += 8;
                block = block[1..];
            }

            var code = (int)(bits & ((1u << width) - 1));
            bits >>= width;
            bitCount -= width;
            if (code == end) return false;
            if (code == clear)
            {
                (next, width, previous) = (end + 1, codeBits + 1, -1);
                continue;
            }

            if (code > next || (previous < 0 && code >= clear)) return false;
            var (depth, walk) = (0, code);
            if (code == next)
            {
                stack[depth++] = first;
                walk = previous;
            }

            for (; walk > end; walk = prefix[walk]) stack[depth++] = suffix[walk];
            stack[depth++] = first = suffix[walk];
            while (depth > 0 && !target.IsComplete) target.Add(stack[--depth]);

            if (previous >= 0 && next < maxCodes)
            {
                (prefix[next], suffix[next]) = ((ushort)previous, first);
                if (++next == 1 << width && width < 12) width++;
            }

            previous = code;
        }

        return true;
    }

    private static bool IsGrayRamp(ReadOnlySpan<byte> palette)
    {
        for (var i = 0; i < palette.Length; i++)
            if (palette[i] != i / 3) return false;
        return true;
    }

    private static byte[] Padded(ReadOnlySpan<byte> palette)
    {
        var padded = new byte[3 * 256];
        palette.CopyTo(padded);
        return padded;
    }

    private static int Word(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    /// <summary>Puts the frame's pixels, which come row by row or interlaced, into the whole picture.</summary>
    private sealed class FramePixels(byte[] indices, int stride, int left, int top, int width, int height, bool interlaced)
    {
        private int _column, _row, _pass = interlaced ? 0 : 3;

        public bool IsComplete => _row >= height;

        public void Add(byte index)
        {
            indices[(top + _row) * stride + left + _column] = index;
            if (++_column < width) return;
            _column = 0;
            _row += interlaced ? _pass == 0 ? 8 : 16 >> _pass : 1;
            while (interlaced && _row >= height && _pass < 3) _row = 8 >> ++_pass;
        }
    }

    private ref struct Reader(ReadOnlySpan<byte> file, UserErrorException cutShort)
    {
        private ReadOnlySpan<byte> _rest = file;

        public ReadOnlySpan<byte> Take(int count)
        {
            if (count > _rest.Length) throw cutShort;
            var taken = _rest[..count];
            _rest = _rest[count..];
            return taken;
        }

        /// <summary>A sub-block: one byte of length and as many bytes; empty at the end of a series.</summary>
        public ReadOnlySpan<byte> TakeBlock() => Take(Take(1)[0]);

        public ReadOnlySpan<byte> TakePalette(byte flags) => (flags & HasPalette) == 0 ? [] : Take(3 << ((flags & 7) + 1));
    }
}
