using System.Globalization;

namespace ClipMoe.Model.TensorFiles.Torch;

/// <summary>Finds the model's state dict in an unpickled file and gives each tensor its full name.</summary>
internal sealed class StateDict
{
    private const int MaxDepth = 64, MaxNodes = 1_000_000, MaxTensors = 200_000, MaxNameLength = 1024;

    /// <summary>Keys under which training scripts keep the model among other things, most common first.</summary>
    private static readonly string[] Wrappers = ["state_dict", "model_state_dict", "model"];

    /// <summary>DistributedDataParallel puts this before every name.</summary>
    private const string ParallelPrefix = "module.";

    private readonly string _path;
    private readonly ScriptClasses _classes;
    private readonly OrderedDictionary<string, PickleTensor> _tensors = [];
    private int _nodes;

    private StateDict(string path, ScriptClasses classes) => (_path, _classes) = (path, classes);

    /// <summary>
    /// Tensors by name, in the file's order: of a state dict, of a TorchScript module (parameters and buffers), of a training checkpoint
    /// with the model below a usual key, or one bare tensor, called <see cref="TorchFile.BareTensor"/>.
    /// </summary>
    public static OrderedDictionary<string, PickleTensor> Find(string path, object? root, ScriptClasses classes)
    {
        var finder = new StateDict(path, classes);
        if (root is PickleTensor tensor) finder._tensors.Add(TorchFile.BareTensor, tensor);
        else finder.Collect(Unwrap(root), "", 0);
        var tensors = finder._tensors;
        if (tensors.Count == 0 || !tensors.Keys.All(n => n.StartsWith(ParallelPrefix, StringComparison.Ordinal))) return tensors;
        var renamed = new OrderedDictionary<string, PickleTensor>(tensors.Count);
        foreach (var (name, value) in tensors) renamed.Add(name[ParallelPrefix.Length..], value);
        return renamed;
    }

    private static object? Unwrap(object? root)
    {
        if (root is not PickleDict dict || dict.Items.Any(i => i.Value is PickleTensor)) return root;
        return Wrappers.Select(key => dict[key]).FirstOrDefault(value => value is PickleDict or ScriptObject) ?? root;
    }

    private void Collect(object? value, string name, int depth)
    {
        if (++_nodes > MaxNodes) throw Refused("refers to the same containers over and over");
        if (depth > MaxDepth) throw Refused($"nests containers more than {MaxDepth} deep");
        switch (value)
        {
            case PickleTensor tensor:
                Add(name, tensor);
                break;
            case PickleDict dict:
                foreach (var (key, item) in dict.Items) Collect(item, Below(name, key), depth + 1);
                break;
            case List<object?> list:
                for (var i = 0; i < list.Count; i++) Collect(list[i], Below(name, i.ToString(CultureInfo.InvariantCulture)), depth + 1);
                break;
            case object?[] tuple:
                for (var i = 0; i < tuple.Length; i++) Collect(tuple[i], Below(name, i.ToString(CultureInfo.InvariantCulture)), depth + 1);
                break;
            case ScriptObject script:
                CollectScript(script, name, depth);
                break;
        }
    }

    private void CollectScript(ScriptObject script, string name, int depth)
    {
        var state = _classes.StateNames(script.ClassName);
        foreach (var (attribute, item) in script.Attributes.Items)
        {
            if (item is ScriptObject || (item is PickleTensor && state?.Contains(attribute) != false))
                Collect(item, Below(name, attribute), depth + 1);
        }
    }

    private void Add(string name, PickleTensor tensor)
    {
        if (name.Length > MaxNameLength) throw Refused($"names a tensor in {name.Length} characters");
        if (_tensors.Count == MaxTensors) throw Refused($"holds more than {MaxTensors} tensors");
        if (!_tensors.TryAdd(name, tensor)) throw Refused($"names {Printable.Quote(name)} twice");
    }

    /// <summary>Grows no further than what is refused anyway, so that deep nesting of long keys costs nothing.</summary>
    private static string Below(string name, string key)
    {
        if (name.Length > MaxNameLength) return name;
        if (key.Length > MaxNameLength) key = key[..(MaxNameLength + 1)];
        return name.Length == 0 ? key : $"{name}.{key}";
    }

    private UserErrorException Refused(string why) => new($"{_path} is no checkpoint that ClipMoe can read: it {why}.");
}
