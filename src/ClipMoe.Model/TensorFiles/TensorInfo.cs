namespace ClipMoe.Model.TensorFiles;

/// <summary>Element types of the tensors in checkpoints, named as in safetensors headers.</summary>
public enum TensorType { F32, F16, BF16, F64, I64, I32, I16, I8, U16, U8, Bool }

public static class TensorTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(this TensorType type) => type switch
    {
        TensorType.F64 or TensorType.I64 => 8,
        TensorType.F32 or TensorType.I32 => 4,
        TensorType.F16 or TensorType.BF16 or TensorType.I16 or TensorType.U16 => 2,
        _ => 1,
    };

    public static bool IsFloat(this TensorType type) => type is TensorType.F32 or TensorType.F16 or TensorType.BF16 or TensorType.F64;
}

/// <summary>Name, element type and shape (row-major; empty for a scalar) of one tensor in a file.</summary>
public sealed record TensorInfo(string Name, TensorType Type, IReadOnlyList<long> Shape)
{
    /// <summary>The largest tensor that is believed: 2^42 elements. Products of larger sizes could overflow.</summary>
    public const long MaxCount = 1L << 42;

    /// <summary>Number of elements.</summary>
    public long Count { get; } = CountOf(Shape) ?? throw new ArgumentOutOfRangeException(nameof(Shape), "too large or negative");

    public long ByteLength => Count * Type.Size();

    /// <summary>The shape as people write it: <c>[512, 768]</c>.</summary>
    public string ShapeText => $"[{string.Join(", ", Shape)}]";

    /// <summary>Elements of a tensor of this shape; null when a size is negative or the product is beyond <see cref="MaxCount"/>.</summary>
    public static long? CountOf(IReadOnlyList<long> shape)
    {
        var count = 1L;
        foreach (var size in shape)
        {
            if (size is < 0 or > MaxCount) return null;
            if (size != 0 && count > MaxCount / size) return null;
            count *= size;
        }

        return count;
    }

    public bool Equals(TensorInfo? other) =>
        other is not null && Name == other.Name && Type == other.Type && Shape.SequenceEqual(other.Shape);

    public override int GetHashCode() => HashCode.Combine(Name, Type, Count);
}
