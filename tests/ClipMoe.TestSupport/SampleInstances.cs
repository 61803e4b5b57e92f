using System.Reflection;

namespace ClipMoe.TestSupport;

/// <summary>An instance of a message, made from its type: none can be forgotten, and neither can a member that is added to one.</summary>
/// <param name="full">Sets everything that may be null or empty, and numbers to awkward values; otherwise nothing that need not be
/// set.</param>
/// <param name="choice">Which value enumerations have, counted from the last one and around.</param>
/// <param name="special">Makes those that their constructor's parameters do not tell how to make.</param>
public sealed class SampleInstances(bool full, int choice = 0, SampleInstances.Special? special = null)
{
    private readonly NullabilityInfoContext _nullability = new();
    private int _choices = 1;

    /// <returns>Null: it is as other types are.</returns>
    public delegate object? Special(SampleInstances samples, Type type);

    public bool IsFull => full;

    /// <summary>As many as it takes to have nothing set, everything set, and every value of every enumeration.</summary>
    public static IEnumerable<object> All(Type type, Special? special = null)
    {
        yield return new SampleInstances(full: false, special: special).Of(type);
        for (var (choice, choices) = (0, 1); choice < choices; choice++)
        {
            var samples = new SampleInstances(full: true, choice, special);
            yield return samples.Of(type);
            choices = samples._choices;
        }
    }

    public object Of(Type type)
    {
        if (Plain(type) is { } plain) return plain;
        if (type.IsEnum) return Choose([.. Enum.GetValues(type).Cast<object>()]);
        if (special?.Invoke(this, type) is { } made) return made;
        if (type.IsArray) return Items(type.GetElementType()!);
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>)) return Items(type.GetGenericArguments()[0]);
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>))
            return Entries(type.GetGenericArguments());
        return Record(type);
    }

    public object Choose(IReadOnlyList<object> values)
    {
        _choices = Math.Max(_choices, values.Count);
        return full ? values[values.Count - 1 - choice % values.Count] : values[0];
    }

    private object? Plain(Type type) => Type.GetTypeCode(type) switch
    {
        TypeCode.String => full ? "gpu-7:4055/\"cuda\"\\1#é\u2028" : "",
        TypeCode.Boolean => full,
        TypeCode.Int32 when !type.IsEnum => full ? int.MaxValue : 0,
        TypeCode.Byte => full ? byte.MaxValue : (byte)0,
        TypeCode.Int64 => full ? long.MinValue : 0L,
        TypeCode.UInt64 => full ? ulong.MaxValue : 0UL,
        TypeCode.Single => full ? float.NaN : 0.1f,
        TypeCode.Double => full ? double.NaN : 0.1,
        _ => null,
    };

    private Array Items(Type type)
    {
        var items = Array.CreateInstance(type, full ? 2 : 0);
        for (var i = 0; i < items.Length; i++) items.SetValue(Of(type), i);
        return items;
    }

    private object Entries(Type[] types)
    {
        var entries = (System.Collections.IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(types))!;
        if (full) entries.Add(Of(types[0]), Of(types[1]));
        return entries;
    }

    private object Record(Type type)
    {
        var constructor = type.GetConstructors().Where(c => c.GetParameters() is not [var only] || only.ParameterType != type)
            .MaxBy(c => c.GetParameters().Length) ?? throw new InvalidOperationException($"{type} can't be made");
        var made = constructor.Invoke([.. constructor.GetParameters()
            .Select(p => Member(p.ParameterType, _nullability.Create(p).ReadState))]);
        foreach (var property in type.GetProperties().Where(p => p.CanWrite))
            property.SetValue(made, Member(property.PropertyType, _nullability.Create(property).ReadState));
        return made;
    }

    private object? Member(Type type, NullabilityState state) =>
        state == NullabilityState.Nullable && !full ? null : Of(Nullable.GetUnderlyingType(type) ?? type);
}
