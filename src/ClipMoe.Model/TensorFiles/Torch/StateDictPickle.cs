using System.Buffers.Binary;
using System.Text;

namespace ClipMoe.Model.TensorFiles.Torch;

/// <summary>The pickle (protocol 2) of a state dict: an OrderedDict of contiguous tensors, storage i for tensor i.</summary>
internal static class StateDictPickle
{
    public static byte[] Write(IReadOnlyList<TensorInfo> tensors)
    {
        using var pickle = new MemoryStream();
        pickle.Write([0x80, 2]);
        EmptyOrderedDict(pickle);
        pickle.WriteByte((byte)'(');
        for (var i = 0; i < tensors.Count; i++)
        {
            Unicode(pickle, tensors[i].Name);
            Tensor(pickle, tensors[i], i);
        }

        pickle.Write("u."u8);
        return pickle.ToArray();
    }

    /// <summary><c>_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, backward_hooks)</c></summary>
    private static void Tensor(Stream pickle, TensorInfo tensor, int storage)
    {
        pickle.Write("ctorch._utils\n_rebuild_tensor_v2\n(("u8);
        Unicode(pickle, "storage");
        pickle.Write(Encoding.ASCII.GetBytes($"ctorch\n{StorageName(tensor.Type)}\n"));
        Unicode(pickle, storage.ToString());
        Unicode(pickle, "cpu");
        Integer(pickle, tensor.Count);
        pickle.Write("tQ"u8);
        Integer(pickle, 0);
        Tuple(pickle, tensor.Shape);
        Tuple(pickle, Strides(tensor.Shape));
        pickle.WriteByte(0x89);
        EmptyOrderedDict(pickle);
        pickle.Write("tR"u8);
    }

    private static void EmptyOrderedDict(Stream pickle) => pickle.Write("ccollections\nOrderedDict\n)R"u8);

    private static void Tuple(Stream pickle, IEnumerable<long> values)
    {
        pickle.WriteByte((byte)'(');
        foreach (var value in values) Integer(pickle, value);
        pickle.WriteByte((byte)'t');
    }

    private static void Integer(Stream pickle, long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        if (value is >= int.MinValue and <= int.MaxValue)
        {
            pickle.WriteByte((byte)'J');
            pickle.Write(bytes[..4]);
        }
        else
        {
            pickle.Write([0x8a, 8]);
            pickle.Write(bytes);
        }
    }

    private static void Unicode(Stream pickle, string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        pickle.WriteByte((byte)'X');
        pickle.Write(BitConverter.GetBytes(utf8.Length));
        pickle.Write(utf8);
    }

    private static long[] Strides(IReadOnlyList<long> shape)
    {
        var strides = new long[shape.Count];
        var stride = 1L;
        for (var d = shape.Count - 1; d >= 0; d--)
        {
            strides[d] = stride;
            stride *= Math.Max(shape[d], 1);
        }

        return strides;
    }

    private static string StorageName(TensorType type) => type switch
    {
        TensorType.F32 => "FloatStorage",
        TensorType.F16 => "HalfStorage",
        TensorType.BF16 => "BFloat16Storage",
        TensorType.F64 => "DoubleStorage",
        TensorType.I64 => "LongStorage",
        TensorType.I32 => "IntStorage",
        TensorType.I16 => "ShortStorage",
        TensorType.I8 => "CharStorage",
        TensorType.U8 => "ByteStorage",
        TensorType.Bool => "BoolStorage",
        _ => throw new UserErrorException($"A PyTorch archive holds no {type} tensors: write a safetensors file."),
    };
}
