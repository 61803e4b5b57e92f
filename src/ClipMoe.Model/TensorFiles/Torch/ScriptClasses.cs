using System.Text;
using System.Text.RegularExpressions;

namespace ClipMoe.Model.TensorFiles.Torch;

/// <summary>
/// Which attributes of a TorchScript class are parameters and buffers. The pickled attributes also hold tensors that are neither (attention
/// masks, say), and only the class's source tells them apart, in its lists <c>__parameters__</c> and <c>__buffers__</c>.
/// </summary>
internal sealed partial class ScriptClasses(ZipDirectory zip, string root)
{
    private const int MaxSourceLength = 1 << 22;
    private const long MaxSourcesLength = 1 << 26;

    private readonly Dictionary<string, IReadOnlySet<string>?> _stateNames = [];
    private long _read;

    /// <summary>Names of the class's parameters and buffers; null when the archive has no source of it.</summary>
    /// <param name="className">For instance <c>__torch__.model.___torch_mangle_4.Net</c>, which is in <c>___torch_mangle_4.py</c>.</param>
    public IReadOnlySet<string>? StateNames(string className)
    {
        if (_stateNames.TryGetValue(className, out var known)) return known;
        var dot = className.LastIndexOf('.');
        var module = className[..dot];
        foreach (var (name, state) in Classes(module)) _stateNames[$"{module}.{name}"] = state;
        return _stateNames[className] = _stateNames.GetValueOrDefault(className);
    }

    private IEnumerable<(string Name, IReadOnlySet<string> State)> Classes(string module)
    {
        if (zip.Find($"{root}/code/{module.Replace('.', '/')}.py") is not { } entry) yield break;
        _read += entry.Length;
        if (_read > MaxSourcesLength) throw zip.Damaged("its classes are longer than those of any model");
        string? name = null;
        HashSet<string> state = [];
        foreach (var line in Encoding.UTF8.GetString(zip.ReadSmall(entry, MaxSourceLength)).Split('\n'))
        {
            if (ClassLine().Match(line) is { Success: true } declared)
            {
                if (name is not null) yield return (name, state);
                (name, state) = (declared.Groups[1].Value, []);
            }
            else if (StateLine().IsMatch(line))
            {
                state.UnionWith(QuotedName().Matches(line).Select(m => m.Groups[1].Value));
            }
        }

        if (name is not null) yield return (name, state);
    }

    [GeneratedRegex(@"^class (\w+)\(", RegexOptions.NonBacktracking)]
    private static partial Regex ClassLine();

    [GeneratedRegex(@"^  __(parameters|buffers)__ = \[", RegexOptions.NonBacktracking)]
    private static partial Regex StateLine();

    [GeneratedRegex("\"([^\"]*)\"", RegexOptions.NonBacktracking)]
    private static partial Regex QuotedName();
}
