namespace ClipMoe.Model.TensorFiles.Torch;

/// <summary>
/// A tensor of an archive: a strided view of a storage record whose bytes lie in the file. Offset and strides in elements.
/// </summary>
internal sealed record TorchTensor(TensorInfo Info, ZipEntry Storage, long Offset, IReadOnlyList<long> Strides)
{
    /// <summary>Whether the elements lie in the file in row-major order without gaps.</summary>
    public bool IsContiguous { get; } = Contiguous(Info.Shape, Strides);

    /// <summary>Elements from the first to the last that the view touches.</summary>
    public long Extent { get; } = ExtentOf(Info.Shape, Strides) ?? 0;

    /// <summary>Where the first element lies in the file.</summary>
    public long FilePosition => Storage.DataOffset + Offset * Info.Type.Size();

    /// <summary>Checks a description against what the archive really holds.</summary>
    /// <exception cref="UserErrorException">The view reaches outside its storage, or the storage is missing or shorter than
    /// claimed.</exception>
    public static TorchTensor Create(ZipDirectory zip, string root, string name, PickleTensor tensor)
    {
        var shown = Printable.Quote(name);
        var storage = zip.Find($"{root}/data/{tensor.Storage.Key}") ?? throw zip.Damaged($"the storage of {shown} is missing");
        if (storage.Deflated) throw zip.Damaged($"the storage of {shown} is compressed, which torch.save never does");
        if (TensorInfo.CountOf(tensor.Shape) is not { } count || tensor.Strides.Length != tensor.Shape.Length
            || tensor.Strides.Any(s => s < 0))
            throw zip.Damaged($"{shown} has an impossible shape");
        var elements = storage.Length / tensor.Storage.Type.Size();
        if (tensor.Storage.Count < 0 || tensor.Storage.Count > elements)
            throw zip.Damaged($"the storage of {shown} claims {tensor.Storage.Count} elements, but has {elements}");
        var info = new TensorInfo(name, tensor.Storage.Type, tensor.Shape);
        // An expanded tensor repeats elements of a small storage; checkpoints hold none that outgrow it, and a hostile one could claim any
        // size.
        if (count > elements || tensor.Offset < 0 || ExtentOf(tensor.Shape, tensor.Strides) is not { } extent
            || extent > elements - tensor.Offset)
            throw zip.Damaged($"{shown} of shape {info.ShapeText} reaches outside its storage of {elements} elements");
        return new TorchTensor(info, storage, tensor.Offset, tensor.Strides);
    }

    /// <summary>Copies the elements in row-major order.</summary>
    /// <param name="extent">Bytes of <see cref="Extent"/> elements from <see cref="Offset"/> on.</param>
    /// <param name="destination">Info.ByteLength bytes.</param>
    public void Gather(ReadOnlySpan<byte> extent, Span<byte> destination)
    {
        var size = Info.Type.Size();
        var rank = Info.Shape.Count;
        var index = new long[rank];
        var from = 0L;
        for (var to = 0; to < destination.Length; to += size)
        {
            extent.Slice((int)(from * size), size).CopyTo(destination[to..]);
            for (var d = rank - 1; d >= 0; d--)
            {
                from += Strides[d];
                if (++index[d] < Info.Shape[d]) break;
                from -= Strides[d] * Info.Shape[d];
                index[d] = 0;
            }
        }
    }

    private static bool Contiguous(IReadOnlyList<long> shape, IReadOnlyList<long> strides)
    {
        var expected = 1L;
        for (var d = shape.Count - 1; d >= 0; d--)
        {
            if (shape[d] > 1 && strides[d] != expected) return false;
            expected *= Math.Max(shape[d], 1);
        }

        return true;
    }

    /// <summary>Null when it is larger than any tensor may be.</summary>
    private static long? ExtentOf(IReadOnlyList<long> shape, IReadOnlyList<long> strides)
    {
        if (shape.Contains(0)) return 0;
        Int128 last = 0;
        for (var d = 0; d < shape.Count; d++) last += (Int128)(shape[d] - 1) * strides[d];
        return last < TensorInfo.MaxCount ? (long)last + 1 : null;
    }
}
