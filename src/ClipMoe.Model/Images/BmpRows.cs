using System.Buffers.Binary;
using System.Numerics;

namespace ClipMoe.Model.Images;

/// <summary>
/// Windows and OS/2 bitmaps without compression, in the variants that Pillow's BmpImagePlugin reads; libvips has no loader for them.
/// </summary>
internal sealed class BmpRows : ImageRows
{
    private const int FileHeaderLength = 14;

    private readonly ReadOnlyMemory<byte> _file;
    private readonly BmpHeader _header;
    private readonly byte[] _strip;

    private BmpRows(ReadOnlyMemory<byte> file, BmpHeader header, PixelLayout layout)
        : base(ImageFormat.Bmp, layout, header.Width, header.Height)
    {
        (_file, _header) = (file, header);
        _strip = new byte[RowsPerStrip * RowBytes];
    }

    public static BmpRows Open(ReadOnlyMemory<byte> file, string name, long maxPixels)
    {
        var header = BmpHeader.Read(file.Span, name);
        ImageDecoder.CheckSize(name, header.Width, header.Height, maxPixels);
        if (header.DataOffset + header.Stride * (header.Height - 1L) + (header.Width * (long)header.Bits + 7) / 8 > file.Length)
            throw ImageErrors.CutShort(name, ImageFormat.Bmp);
        return new BmpRows(file, header, header.Layout);
    }

    public override ReadOnlySpan<byte> Read(int top, int count)
    {
        for (var y = 0; y < count; y++)
        {
            var row = _header.TopDown ? top + y : Height - 1 - top - y;
            var bytes = (_header.Width * _header.Bits + 7) / 8;
            var source = _file.Span.Slice((int)(_header.DataOffset + _header.Stride * row), bytes);
            Convert(source, _strip.AsSpan(y * RowBytes, RowBytes));
        }

        return _strip.AsSpan(0, count * RowBytes);
    }

    public override void Dispose()
    {
    }

    private void Convert(ReadOnlySpan<byte> source, Span<byte> target)
    {
        var stride = Layout.Stride;
        for (var x = 0; x < Width; x++)
        {
            var pixel = target.Slice(x * stride, stride);
            switch (_header.Bits)
            {
                case <= 8:
                    var perByte = 8 / _header.Bits;
                    var index = (source[x / perByte] >> ((perByte - 1 - x % perByte) * _header.Bits)) & ((1 << _header.Bits) - 1);
                    if (stride == 1) pixel[0] = (byte)(Layout.Mode == PixelMode.Bilevel ? index * 255 : index);
                    else _header.Palette.AsSpan(3 * index, 3).CopyTo(pixel);
                    break;
                case 16:
                    var word = BinaryPrimitives.ReadUInt16LittleEndian(source[(2 * x)..]);
                    for (var c = 0; c < 3; c++) pixel[c] = Scaled(word, _header.Masks[c]);
                    break;
                case 24:
                    (pixel[0], pixel[1], pixel[2]) = (source[3 * x + 2], source[3 * x + 1], source[3 * x]);
                    break;
                default:
                    var value = BinaryPrimitives.ReadUInt32LittleEndian(source[(4 * x)..]);
                    for (var c = 0; c < stride; c++) pixel[c] = Scaled(value, _header.Masks[c]);
                    break;
            }
        }
    }

    private static byte Scaled(uint value, uint mask)
    {
        var shift = BitOperations.TrailingZeroCount(mask);
        return (byte)(((value & mask) >> shift) * 255 / (mask >> shift));
    }

    /// <param name="Bits">1, 4, 8, 16, 24 or 32 per pixel.</param>
    /// <param name="TopDown">Whether the first row of the file is the picture's first.</param>
    /// <param name="Palette">256 colors of three bytes for up to 8 bits.</param>
    /// <param name="Masks">Bits of red, green, blue and opacity for 16 and 32 bits.</param>
    private sealed record BmpHeader(
        int Width, int Height, int Bits, bool TopDown, long DataOffset, byte[] Palette, uint[] Masks, PixelLayout Layout)
    {
        private const int Uncompressed = 0, BitFields = 3, CoreLength = 12, InfoLength = 40, OffsetOfMasks = 40;

        private static readonly uint[] Masks15 = [0x7C00, 0x3E0, 0x1F, 0], Masks16 = [0xF800, 0x7E0, 0x1F, 0];
        private static readonly uint[] Bgrx = [0xFF0000, 0xFF00, 0xFF, 0], Bgra = [0xFF0000, 0xFF00, 0xFF, 0xFF000000];

        public long Stride => (Width * (long)Bits + 31) / 32 * 4;

        public static BmpHeader Read(ReadOnlySpan<byte> file, string name)
        {
            if (file.Length < FileHeaderLength + CoreLength) throw ImageErrors.CutShort(name, ImageFormat.Bmp);
            var length = Int(file, 14);
            if (length is not (CoreLength or InfoLength or 64 or 108 or 124))
                throw ImageErrors.Unsupported(name, ImageFormat.Bmp, "an unknown header");
            if (file.Length < FileHeaderLength + length) throw ImageErrors.CutShort(name, ImageFormat.Bmp);

            var core = length == CoreLength;
            var (width, height) = core ? (Word(file, 18), Word(file, 20)) : (Int(file, 18), Int(file, 22));
            var bits = Word(file, core ? 24 : 28);
            var compression = core ? Uncompressed : Int(file, 30);
            var colors = core || bits > 8 ? 0 : Int(file, 46);
            if (bits is not (1 or 4 or 8 or 16 or 24 or 32)) throw ImageErrors.Unsupported(name, ImageFormat.Bmp, $"{bits} bits per pixel");
            if (compression is not (Uncompressed or BitFields)) throw ImageErrors.Unsupported(name, ImageFormat.Bmp, "compressed rows");
            if (width <= 0 || height is 0 or int.MinValue || colors is < 0 or > 256)
                throw ImageErrors.Damaged(name, ImageFormat.Bmp, file);

            var masks = bits switch { 16 => Masks15, 32 => Bgrx, _ => [] };
            if (compression == BitFields) masks = ReadMasks(file, length, bits, name);
            var paletteSize = bits > 8 ? 0 : colors == 0 ? 1 << bits : colors;
            var palette = ReadPalette(file, FileHeaderLength + length, core ? 3 : 4, paletteSize, name);

            // Files whose offset points behind the header although a palette follows: Pillow skips the palette.
            var offset = (long)(uint)Int(file, 10);
            if (offset == FileHeaderLength + length) offset += 4 * (palette.Length / 3);
            return new BmpHeader(
                width, Math.Abs(height), bits, height < 0, offset, Padded(palette), masks, LayoutOf(bits, palette, masks));
        }

        private static PixelLayout LayoutOf(int bits, ReadOnlySpan<byte> palette, uint[] masks)
        {
            if (bits > 8) return masks is [_, _, _, not 0] ? new(PixelMode.Rgba, 4, 1) : new(PixelMode.Rgb, 3, 1);
            if (bits == 1 && palette.SequenceEqual((ReadOnlySpan<byte>)[0, 0, 0, 255, 255, 255])) return new(PixelMode.Bilevel, 1, 1);
            for (var i = 0; i < palette.Length; i++)
                if (bits < 8 || palette[i] != i / 3) return new(PixelMode.Palette, 3, 1);
            return new(PixelMode.Gray, 1, 1);
        }

        private static uint[] ReadMasks(ReadOnlySpan<byte> file, int headerLength, int bits, string name)
        {
            // Only the long headers have a mask for opacity; behind the short one follow three masks.
            var count = headerLength > 56 ? 4 : 3;
            if (file.Length < FileHeaderLength + OffsetOfMasks + 4 * count) throw ImageErrors.CutShort(name, ImageFormat.Bmp);
            var masks = new uint[4];
            for (var i = 0; i < count; i++) masks[i] = (uint)Int(file, FileHeaderLength + OffsetOfMasks + 4 * i);
            if (bits == 16) masks[3] = 0;
            if (bits == 32 && masks.All(m => m == 0)) return Bgra;
            var known = bits switch
            {
                16 => masks.SequenceEqual(Masks15) || masks.SequenceEqual(Masks16),
                24 => masks.SequenceEqual(Bgrx),
                32 => masks[..3].All(IsByte) && (masks[3] == 0 || IsByte(masks[3])),
                _ => false,
            };
            return known ? masks : throw ImageErrors.Unsupported(name, ImageFormat.Bmp, "unusual bit fields");
        }

        private static bool IsByte(uint mask) => mask is 0xFF or 0xFF00 or 0xFF0000 or 0xFF000000;

        private static byte[] ReadPalette(ReadOnlySpan<byte> file, int at, int entryLength, int colors, string name)
        {
            if (file.Length < at + entryLength * colors) throw ImageErrors.CutShort(name, ImageFormat.Bmp);
            var palette = new byte[3 * colors];
            for (var i = 0; i < colors; i++)
                for (var c = 0; c < 3; c++) palette[3 * i + c] = file[at + i * entryLength + 2 - c];
            return palette;
        }

        private static byte[] Padded(byte[] palette)
        {
            var padded = new byte[3 * 256];
            palette.CopyTo(padded, 0);
            return padded;
        }

        private static int Word(ReadOnlySpan<byte> file, int at) => BinaryPrimitives.ReadUInt16LittleEndian(file[at..]);

        private static int Int(ReadOnlySpan<byte> file, int at) => BinaryPrimitives.ReadInt32LittleEndian(file[at..]);
    }
}
