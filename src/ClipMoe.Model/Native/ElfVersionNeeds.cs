using System.Buffers.Binary;
using System.Text;

namespace ClipMoe.Model.Native;

/// <summary>Reads and weakens the symbol-version needs (<c>.gnu.version_r</c>) of a 64-bit little-endian ELF shared library.</summary>
/// <remarks>
/// The glibc loader refuses a library that asks for a version its dependency lacks, unless the need is marked weak
/// (<c>VER_FLG_WEAK</c>), even when no relocation uses that version. Structures: System V gABI and the LSB's symbol versioning chapter.
/// </remarks>
internal static class ElfVersionNeeds
{
    private const int ProgramHeaderLoad = 1, ProgramHeaderDynamic = 2;
    private const long TagStringTable = 5, TagVersionNeed = 0x6ffffffe, TagVersionNeedCount = 0x6fffffff;
    private const ushort WeakFlag = 2;

    /// <summary>Marks every need of <paramref name="version"/> in <paramref name="elf"/> as weak, in place.</summary>
    /// <returns>How many needs were changed.</returns>
    /// <exception cref="InvalidDataException">The bytes are no 64-bit little-endian ELF file with a dynamic segment.</exception>
    public static int Weaken(Span<byte> elf, string version)
    {
        if (elf.Length < 64 || elf[0] != 0x7f || elf[1] != 'E' || elf[2] != 'L' || elf[3] != 'F' || elf[4] != 2 || elf[5] != 1)
            throw new InvalidDataException("not a 64-bit little-endian ELF file");

        var segments = ReadProgramHeaders(elf);
        var dynamic = segments.Find(s => s.Type == ProgramHeaderDynamic);
        if (dynamic.Type == 0) throw new InvalidDataException("the ELF file has no dynamic segment");

        long strings = 0, needs = 0, needCount = 0;
        for (var at = dynamic.Offset; at + 16 <= dynamic.Offset + dynamic.Size; at += 16)
        {
            var tag = BinaryPrimitives.ReadInt64LittleEndian(Slice(elf, at, 8));
            var value = BinaryPrimitives.ReadInt64LittleEndian(Slice(elf, at + 8, 8));
            if (tag == TagStringTable) strings = FileOffset(segments, value);
            else if (tag == TagVersionNeed) needs = FileOffset(segments, value);
            else if (tag == TagVersionNeedCount) needCount = value;
        }

        var changed = 0;
        for (long need = needs, n = 0; n < needCount; n++)
        {
            var auxCount = BinaryPrimitives.ReadUInt16LittleEndian(Slice(elf, need + 2, 2));
            var aux = need + BinaryPrimitives.ReadUInt32LittleEndian(Slice(elf, need + 8, 4));
            for (var a = 0; a < auxCount; a++)
            {
                var name = ReadString(elf, strings + BinaryPrimitives.ReadUInt32LittleEndian(Slice(elf, aux + 8, 4)));
                if (name == version)
                {
                    var flags = Slice(elf, aux + 4, 2);
                    BinaryPrimitives.WriteUInt16LittleEndian(flags, (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(flags) | WeakFlag));
                    changed++;
                }
                aux += BinaryPrimitives.ReadUInt32LittleEndian(Slice(elf, aux + 12, 4));
            }
            need += BinaryPrimitives.ReadUInt32LittleEndian(Slice(elf, need + 12, 4));
        }
        return changed;
    }

    private readonly record struct Segment(uint Type, long Offset, long Address, long Size);

    private static List<Segment> ReadProgramHeaders(Span<byte> elf)
    {
        var table = BinaryPrimitives.ReadInt64LittleEndian(elf[0x20..]);
        var size = BinaryPrimitives.ReadUInt16LittleEndian(elf[0x36..]);
        var count = BinaryPrimitives.ReadUInt16LittleEndian(elf[0x38..]);
        var segments = new List<Segment>(count);
        for (var i = 0; i < count; i++)
        {
            var header = Slice(elf, table + (long)i * size, 56);
            segments.Add(new Segment(
                BinaryPrimitives.ReadUInt32LittleEndian(header),
                BinaryPrimitives.ReadInt64LittleEndian(header[8..]),
                BinaryPrimitives.ReadInt64LittleEndian(header[16..]),
                BinaryPrimitives.ReadInt64LittleEndian(header[32..])));
        }
        return segments;
    }

    private static long FileOffset(List<Segment> segments, long address)
    {
        foreach (var s in segments)
            if (s.Type == ProgramHeaderLoad && address >= s.Address && address < s.Address + s.Size)
                return address - s.Address + s.Offset;
        throw new InvalidDataException($"address 0x{address:x} lies in no loaded segment of the ELF file");
    }

    private static string ReadString(Span<byte> elf, long at)
    {
        var rest = elf[checked((int)at)..];
        return Encoding.ASCII.GetString(rest[..rest.IndexOf((byte)0)]);
    }

    private static Span<byte> Slice(Span<byte> elf, long at, int length) =>
        at >= 0 && at + length <= elf.Length ? elf.Slice((int)at, length) : throw new InvalidDataException("the ELF file is truncated");
}
