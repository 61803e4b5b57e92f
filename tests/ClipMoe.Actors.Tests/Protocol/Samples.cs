using System.Reflection;
using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Clustering;

namespace ClipMoe.Actors.Tests.Protocol;

/// <summary>An instance of a message, made from its type: none can be forgotten, and neither can a member that is added to one.</summary>
/// <param name="full">Sets everything that may be null or empty, and numbers to awkward values; otherwise nothing that need not be
/// set.</param>
/// <param name="choice">Which value enumerations have, counted from the last one and around.</param>
internal sealed class Samples(bool full, int choice = 0)
{
    private readonly NullabilityInfoContext _nullability = new();
    private int _choices = 1;

    /// <summary>As many as it takes to have nothing set, everything set, and every value of every enumeration.</summary>
    public static IEnumerable<object> All(Type type)
    {
        yield return new Samples(full: false).Of(type);
        for (var (choice, choices) = (0, 1); choice < choices; choice++)
        {
            var samples = new Samples(full: true, choice);
            yield return samples.Of(type);
            choices = samples._choices;
        }
    }

    public object Of(Type type)
    {
        if (Plain(type) is { } plain) return plain;
        if (type.IsEnum) return Choose([.. Enum.GetValues(type).Cast<object>()]);
        if (type == typeof(Centroids)) return new Centroids([1.5f, float.NegativeInfinity, float.Epsilon, 0.1f], dimension: 2);
        if (type == typeof(SampleOrder)) return Choose([new GlobalOrder(), new ClusterPureOrder("cluster-1")]);
        if (type == typeof(ClipConfig)) return ClipConfig.Named("tiny") with { Moe = full ? new MoeConfig(4, 2, 1) : null };
        if (type.IsArray) return Items(type.GetElementType()!);
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>)) return Items(type.GetGenericArguments()[0]);
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>))
            return Entries(type.GetGenericArguments());
        return Record(type);
    }

    private object Choose(IReadOnlyList<object> values)
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
