using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace ClipMoe.Model.TensorFiles.Torch;

/// <summary>
/// Rebuilds the data in a pickle of <c>torch.save</c> or TorchScript (protocols 2 to 5) and runs nothing: the names it may refer to are
/// those of
/// <see cref="PickleGlobal"/>, and any other is refused by name as soon as it is met. Every instruction makes at most one object, and the
/// sum of what they take is bounded.
/// </summary>
internal sealed class Unpickler
{
    private const int MaxRank = 16, MaxLongBytes = 1024;

    /// <summary>Rough bytes of what is made; a state dict of ten thousand tensors takes a twentieth of it.</summary>
    private const long MaxMemory = 256 << 20;
    private const int ItemBytes = 32, ListBytes = 64, DictBytes = 192, TensorBytes = 512;

    private readonly string _path;
    private readonly byte[] _pickle;
    private readonly List<object?> _stack = [];
    private readonly Stack<int> _marks = [];
    private readonly Dictionary<long, object?> _memo = [];
    private int _at;
    private long _memory;

    private Unpickler(string path, byte[] pickle) => (_path, _pickle) = (path, pickle);

    /// <param name="path">Named in errors.</param>
    /// <param name="pickle">The pickle's bytes.</param>
    /// <exception cref="UserErrorException">The pickle is damaged, or refers to something that is no tensor, container or
    /// scalar.</exception>
    public static object? Load(string path, byte[] pickle)
    {
        var unpickler = new Unpickler(path, pickle);
        try
        {
            return unpickler.Run();
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            throw unpickler.Damaged($"it takes more than it holds, at byte {unpickler._at}", e);
        }
    }

    private object? Run()
    {
        while (true)
        {
            var opcode = Bytes(1)[0];
            switch (opcode)
            {
                case 0x80: // PROTO
                    if (Bytes(1)[0] is < 2 or > 5) throw Damaged("its protocol is not one of 2 to 5");
                    break;
                case 0x95: // FRAME
                    Bytes(8);
                    break;
                case (byte)'.':
                    return Pop();
                default:
                    if (!Scalar(opcode) && !Container(opcode) && !Memo(opcode) && !Global(opcode))
                        throw Damaged($"instruction 0x{opcode:x2} has no place in it");
                    break;
            }
        }
    }

    private bool Scalar(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'N': Push(null); return true;
            case 0x88: Push(true); return true;
            case 0x89: Push(false); return true;
            case (byte)'J': Push((long)BinaryPrimitives.ReadInt32LittleEndian(Bytes(4))); return true;
            case (byte)'K': Push((long)Bytes(1)[0]); return true;
            case (byte)'M': Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2))); return true;
            case 0x8a: Push(Integer(Bytes(1)[0])); return true;
            case 0x8b: Push(Integer(BinaryPrimitives.ReadInt32LittleEndian(Bytes(4)))); return true;
            case (byte)'G': Push(BinaryPrimitives.ReadDoubleBigEndian(Bytes(8))); return true;
            case (byte)'X': Push(String(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)))); return true;
            case (byte)'T': Push(String(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)))); return true;
            case (byte)'U' or 0x8c: Push(String(Bytes(1)[0])); return true;
            case 0x8d: Push(String(BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8)))); return true;
            default: return false;
        }
    }

    private bool Container(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'(': Mark(); return true;
            case (byte)'0': Pop(); return true;
            case (byte)'1': PopToMark(); return true;
            case (byte)'2': Push(Top()); return true;
            case (byte)']' or 0x8f: Push(new List<object?>(), ListBytes); return true;
            case (byte)'l': Push(PopToMark().ToList(), ListBytes); return true;
            case (byte)'a': Append([Pop()]); return true;
            case (byte)'e' or 0x90: Append(PopToMark()); return true;
            case (byte)')': Push(Array.Empty<object?>()); return true;
            case (byte)'t': Push(PopToMark()); return true;
            case 0x85: Push(PopMany(1)); return true;
            case 0x86: Push(PopMany(2)); return true;
            case 0x87: Push(PopMany(3)); return true;
            case (byte)'}': Push(new PickleDict(), DictBytes); return true;
            case (byte)'s': SetItems(PopMany(2)); return true;
            case (byte)'u': SetItems(PopToMark()); return true;
            default: return false;
        }
    }

    private bool Memo(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'q': Note(Bytes(1)[0]); return true;
            case (byte)'r': Note(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4))); return true;
            case 0x94: Note(_memo.Count); return true;
            case (byte)'h': Push(FromMemo(Bytes(1)[0])); return true;
            case (byte)'j': Push(FromMemo(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)))); return true;
            default: return false;
        }
    }

    private bool Global(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'c':
                Push(FindGlobal(Line(), Line()));
                return true;
            case 0x93:
                var name = Pop<string>();
                Push(FindGlobal(Pop<string>(), name));
                return true;
            case (byte)'R':
                var arguments = Pop<object?[]>();
                Push(Rebuild(Pop<PickleGlobal>(), arguments), TensorBytes);
                return true;
            case 0x81: // NEWOBJ: only TorchScript's objects are made this way.
                Pop();
                Push(new ScriptObject(Pop<PickleGlobal.ScriptClass>().Name), DictBytes);
                return true;
            case (byte)'b':
                Build(Pop());
                return true;
            case (byte)'Q':
                Push(Storage(Pop<object?[]>()), ListBytes);
                return true;
            default:
                return false;
        }
    }

    private PickleGlobal FindGlobal(string module, string name) => PickleGlobal.Find(module, name) ?? throw new UserErrorException(
        $"{_path} refers to {Printable.Quote($"{module}.{name}")}, which ClipMoe does not load: a checkpoint may hold only tensors, " +
        $"containers and "
        + "scalars; nothing of it was run.");

    private object? Rebuild(PickleGlobal global, object?[] arguments) => (global, arguments) switch
    {
        (PickleGlobal.Dict, []) => new PickleDict(),
        (PickleGlobal.Set, []) => new List<object?>(),
        (PickleGlobal.Set, [List<object?> items]) => items,
        (PickleGlobal.Unchanged, [var value, ..]) => value,
        (PickleGlobal.Parameter, [PickleTensor tensor, ..]) => tensor,
        (PickleGlobal.Tensor, [PickleStorage storage, long offset, object?[] shape, object?[] strides, ..]) =>
            new PickleTensor(storage, offset, Sizes(shape), Sizes(strides)),
        _ => throw Damaged($"the arguments of a {global.GetType().Name.ToLowerInvariant()} are not its own"),
    };

    /// <summary>
    /// State of an OrderedDict (its <c>_metadata</c>) says nothing about tensors; that of a TorchScript object is its attributes.
    /// </summary>
    private void Build(object? state)
    {
        switch (Top())
        {
            case ScriptObject script when state is PickleDict attributes:
                script.Attributes = attributes;
                break;
            case PickleDict when state is PickleDict:
                break;
            default:
                throw Damaged("it gives a state to something that has none");
        }
    }

    private PickleStorage Storage(object?[] id) => id is ["storage", PickleGlobal.Storage(var type), string key, string, long count, ..]
        ? new PickleStorage(type, key, count)
        : throw Damaged("the description of a storage is damaged");

    private long[] Sizes(object?[] sizes) =>
        sizes.Length <= MaxRank && sizes.All(s => s is long) ? [.. sizes.Cast<long>()] : throw Damaged("the shape of a tensor is none");

    private void Append(object?[] items) => As<List<object?>>(Top()).AddRange(items);

    private void SetItems(object?[] items)
    {
        var dict = As<PickleDict>(Top());
        if (items.Length % 2 != 0) throw Damaged("a key has no value");
        for (var i = 0; i < items.Length; i += 2)
        {
            if (items[i] is not (string or long or bool or double)) throw Damaged("a key is neither a text nor a number");
            Charge(DictBytes / 2);
            dict.Set(Convert.ToString(items[i], CultureInfo.InvariantCulture)!, items[i + 1]);
        }
    }

    private void Note(long index)
    {
        Charge(ItemBytes);
        _memo[index] = Top();
    }

    private object? FromMemo(long index) =>
        _memo.TryGetValue(index, out var value) ? value : throw Damaged($"it recalls {index}, which it never noted");

    private object Integer(int length)
    {
        if (length is < 0 or > MaxLongBytes) throw Damaged($"it holds a number of {length} bytes");
        var value = new BigInteger(Bytes((ulong)length));
        if (value >= long.MinValue && value <= long.MaxValue) return (long)value;
        return value;
    }

    private string String(ulong length)
    {
        var bytes = Bytes(length);
        Charge(2 * bytes.Length);
        return Encoding.UTF8.GetString(bytes);
    }

    private string Line()
    {
        var length = _pickle.AsSpan(_at).IndexOf((byte)'\n');
        if (length < 0) throw Damaged("it is cut off");
        var line = String((ulong)length);
        _at++;
        return line;
    }

    private ReadOnlySpan<byte> Bytes(ulong count)
    {
        if (count > (ulong)(_pickle.Length - _at)) throw Damaged("it is cut off");
        _at += (int)count;
        return _pickle.AsSpan(_at - (int)count, (int)count);
    }

    private void Push(object? value, int bytes = 0)
    {
        Charge(ItemBytes + bytes);
        _stack.Add(value);
    }

    private void Mark()
    {
        Charge(ItemBytes);
        _marks.Push(_stack.Count);
    }

    private void Charge(int bytes)
    {
        _memory += bytes;
        if (_memory > MaxMemory) throw Damaged("it holds far more objects than a checkpoint does");
    }

    private object? Top() => _stack[^1];

    private object? Pop() => PopMany(1)[0];

    private T Pop<T>() where T : class => As<T>(Pop());

    private T As<T>(object? value) where T : class => value as T
        ?? throw Damaged($"what stands before byte {_at} does not fit its next instruction");

    private object?[] PopMany(int count)
    {
        var start = _stack.Count - count;
        if (_marks.TryPeek(out var mark) && start < mark) throw Damaged($"it takes more than it holds, at byte {_at}");
        var items = _stack.GetRange(start, count).ToArray();
        _stack.RemoveRange(start, count);
        return items;
    }

    private object?[] PopToMark()
    {
        var mark = _marks.Pop();
        var items = _stack.GetRange(mark, _stack.Count - mark).ToArray();
        _stack.RemoveRange(mark, items.Length);
        return items;
    }

    private UserErrorException Damaged(string why, Exception? inner = null) =>
        new($"the pickle in {_path} is damaged: {why}; copy or save it again.", inner);
}
