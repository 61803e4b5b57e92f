namespace ClipMoe.Nodes.Dashboard.Charts;

/// <summary>Maps values to pixels, and says where an axis should have its marks.</summary>
internal sealed class Scale
{
    private readonly double _from, _to, _start, _end;
    private readonly bool _logarithmic;

    /// <param name="start">Pixel of <paramref name="from"/>.</param>
    /// <param name="end">Pixel of <paramref name="to"/>.</param>
    /// <param name="logarithmic">Both ends must be positive.</param>
    public Scale(double from, double to, double start, double end, bool logarithmic = false)
    {
        if (from == to) (from, to) = logarithmic ? (from / 1.1, to * 1.1) : (from - 0.5, to + 0.5);
        (_from, _to, _start, _end, _logarithmic) = (from, to, start, end, logarithmic);
    }

    public double this[double value] => _logarithmic
        ? _start + (Math.Log(value) - Math.Log(_from)) / (Math.Log(_to) - Math.Log(_from)) * (_end - _start)
        : _start + (value - _from) / (_to - _from) * (_end - _start);

    /// <summary>Round values within the scale, about as many as wanted.</summary>
    public IReadOnlyList<double> Ticks(int wanted)
    {
        if (!_logarithmic || _to / _from < 4) return Linear(wanted);
        var decades = new List<double>();
        for (var power = Math.Floor(Math.Log10(_from)); power <= Math.Log10(_to); power++)
            decades.AddRange(((double[])[1, 2, 5]).Select(m => m * Math.Pow(10, power)));
        var inside = decades.Where(Inside).ToList();
        // Over many decades the powers of ten alone are enough.
        return inside.Count <= 2 * wanted ? inside : [.. inside.Where(t => Math.Abs(Math.Log10(t) - Math.Round(Math.Log10(t))) < 1e-9)];
    }

    private List<double> Linear(int wanted)
    {
        var rough = (_to - _from) / wanted;
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var step = power * ((rough / power) switch { < 1.5 => 1, < 3.5 => 2, < 7.5 => 5, _ => 10 });
        var ticks = new List<double>();
        // Counted instead of added up, so that 0 stays 0; adding 0 turns −0 into 0.
        for (var i = Math.Ceiling(_from / step - 1e-9); i * step <= _to + step * 1e-9; i++) ticks.Add(i * step + 0.0);
        return ticks;
    }

    private bool Inside(double value) => value >= _from && value <= _to;
}
