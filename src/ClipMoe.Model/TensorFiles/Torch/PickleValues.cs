namespace ClipMoe.Model.TensorFiles.Torch;

// What an unpickled object graph consists of, beside null, bool, long, BigInteger, double, string, List<object?> (list and set) and
// object?[] (tuple).

/// <summary>
/// A dict or OrderedDict; as in Python, a key set again keeps its place and takes the new value. Numbers are keys by their text, which is
/// what names of tensors are made of.
/// </summary>
internal sealed class PickleDict
{
    private readonly OrderedDictionary<string, object?> _items = [];

    public IEnumerable<KeyValuePair<string, object?>> Items => _items;

    public object? this[string key] => _items.GetValueOrDefault(key);

    public void Set(string key, object? value) => _items[key] = value;
}

/// <summary>A storage: <paramref name="Key"/> names its record in the archive.</summary>
internal sealed record PickleStorage(TensorType Type, string Key, long Count);

/// <summary>A view of a storage; offset and strides in elements.</summary>
internal sealed record PickleTensor(PickleStorage Storage, long Offset, long[] Shape, long[] Strides);

/// <summary>A TorchScript module or object: its class's qualified name (<c>__torch__.…</c>) and its attributes.</summary>
internal sealed class ScriptObject(string className)
{
    public string ClassName { get; } = className;
    public PickleDict Attributes { get; set; } = new();
}

/// <summary>Names that a pickle may refer to. They stand for data to be rebuilt by us; there is no way from a name to code.</summary>
internal abstract record PickleGlobal
{
    public sealed record Dict : PickleGlobal;
    public sealed record Set : PickleGlobal;
    public sealed record Tensor : PickleGlobal;
    public sealed record Parameter : PickleGlobal;
    public sealed record Storage(TensorType Type) : PickleGlobal;
    public sealed record ScriptClass(string Name) : PickleGlobal;
    /// <summary>TorchScript's builders of typed lists and its type tags: the first argument is the value.</summary>
    public sealed record Unchanged : PickleGlobal;

    /// <summary>The meaning of <c>module.name</c>; null when it is not on the list.</summary>
    public static PickleGlobal? Find(string module, string name) => (module, name) switch
    {
        ("collections", "OrderedDict") => new Dict(),
        ("builtins" or "__builtin__", "set") => new Set(),
        ("torch._utils", "_rebuild_tensor_v2") => new Tensor(),
        ("torch._utils", "_rebuild_parameter") => new Parameter(),
        ("torch.jit._pickle", "build_intlist" or "build_tensorlist" or "build_doublelist" or "build_boollist" or "restore_type_tag") =>
            new Unchanged(),
        ("torch", _) => StorageType(name) is { } type ? new Storage(type) : null,
        _ => module == "__torch__" || module.StartsWith("__torch__.", StringComparison.Ordinal) ? new ScriptClass($"{module}.{name}")
            : null,
    };

    private static TensorType? StorageType(string name) => name switch
    {
        "FloatStorage" => TensorType.F32,
        "HalfStorage" => TensorType.F16,
        "BFloat16Storage" => TensorType.BF16,
        "DoubleStorage" => TensorType.F64,
        "LongStorage" => TensorType.I64,
        "IntStorage" => TensorType.I32,
        "ShortStorage" => TensorType.I16,
        "CharStorage" => TensorType.I8,
        "ByteStorage" => TensorType.U8,
        "BoolStorage" => TensorType.Bool,
        _ => null,
    };
}
