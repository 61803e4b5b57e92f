using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Actors.Tests.Transport;

public sealed class FrameTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(128)]
    [InlineData(1000)]
    public void The_checksum_sees_every_flipped_bit_and_the_length(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        var checksum = FrameChecksum.Compute(bytes);
        for (var bit = 0; bit < length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.NotEqual(checksum, FrameChecksum.Compute(bytes));
            bytes[bit / 8] ^= (byte)(1 << bit % 8);
        }

        Assert.Equal(checksum, FrameChecksum.Compute(bytes));
        Assert.NotEqual(checksum, FrameChecksum.Compute([.. bytes, 0]));
    }

    [Fact]
    public void The_checksum_sees_words_in_another_order_and_pairs_of_flipped_signs()
    {
        var bytes = new byte[128 * 64];
        new Random(1).NextBytes(bytes);
        var checksum = FrameChecksum.Compute(bytes);
        for (var distance = 128; distance < bytes.Length; distance += 128)
        {
            byte[] swapped = [.. bytes], flipped = [.. bytes];
            bytes.AsSpan(0, 8).CopyTo(swapped.AsSpan(distance));
            bytes.AsSpan(distance, 8).CopyTo(swapped);
            Assert.NotEqual(checksum, FrameChecksum.Compute(swapped));
            flipped[7] ^= 0x80;
            flipped[distance + 7] ^= 0x80;
            Assert.NotEqual(checksum, FrameChecksum.Compute(flipped));
        }
    }

    [Fact]
    public void The_checksum_is_the_same_on_every_processor_and_in_every_version()
    {
        var bytes = new byte[300];
        for (var i = 0; i < bytes.Length; i++) bytes[i] = (byte)(7 * i);
        Assert.Equal(6881559923558933219UL, FrameChecksum.Compute(bytes));
    }

    [Theory]
    [InlineData(1f, 0x3F80)]
    [InlineData(-0f, 0x8000)]
    [InlineData(1.00390625f, 0x3F80)]
    [InlineData(1.01171875f, 0x3F82)]
    [InlineData(1.004f, 0x3F81)]
    [InlineData(float.MaxValue, 0x7F80)]
    [InlineData(float.PositiveInfinity, 0x7F80)]
    [InlineData(float.Epsilon, 0)]
    public void Bfloat16_rounds_to_nearest_and_ties_to_even(float value, int expected)
    {
        var values = new float[37];
        Array.Fill(values, value);
        var rounded = new ushort[values.Length];
        BFloat16.Round(values, rounded);
        Assert.All(rounded, r => Assert.Equal(expected, r));
        BFloat16.Widen(rounded, values);
        Assert.All(values, v => Assert.Equal((uint)expected << 16, BitConverter.SingleToUInt32Bits(v)));
    }

    [Fact]
    public void Bfloat16_keeps_what_is_no_number()
    {
        float[] values = [float.NaN, BitConverter.UInt32BitsToSingle(0x7F80_0001), BitConverter.UInt32BitsToSingle(0xFFFF_FFFF)];
        var rounded = new ushort[3];
        BFloat16.Round(values, rounded);
        BFloat16.Widen(rounded, values);
        Assert.All(values, v => Assert.True(float.IsNaN(v)));
    }
}
