using System.Buffers;

namespace ClipMoe.Model.Images;

/// <summary>
/// Resizes and crops an image while it is decoded: source rows go in, rows of the cropped result come out as soon as they can, so that
/// only a few rows are in memory. Byte for byte what Pillow's <c>resize</c> and torchvision's crop give.
/// </summary>
internal abstract class PillowResampler : IDisposable
{
    public static PillowResampler For(PixelTreatment treatment, int width, int height, ResizeGeometry geometry) => treatment switch
    {
        PixelTreatment.Nearest => new NearestResampler(width, height, geometry),
        PixelTreatment.Wide => new BicubicResampler<WideKernel>(width, height, geometry),
        _ => new BicubicResampler<ByteKernel>(width, height, geometry),
    };

    /// <summary>Whether source row <paramref name="y"/> contributes to a result row. Rows that do not need not be pushed.</summary>
    public abstract bool Wants(int y);

    /// <summary>The next wanted row, followed by <see cref="BicubicTaps.GroupSize"/> more pixels of any value.</summary>
    public abstract void Push(ReadOnlySpan<uint> row);

    /// <summary>Computes the next row of the result, if all of its source rows are there.</summary>
    public abstract bool TryPop(Span<uint> result);

    public virtual void Dispose()
    {
    }
}

/// <summary>Bicubic with antialiasing, horizontal pass first, each pass rounded as <typeparamref name="TKernel"/> does.</summary>
internal sealed class BicubicResampler<TKernel> : PillowResampler where TKernel : IResampleKernel
{
    private readonly BicubicTaps _horizontal, _vertical;

    /// <summary>The last rows after the horizontal pass, packed; moved down when the buffer is full.</summary>
    private readonly uint[] _window;

    private readonly int _width, _capacity;
    private int _windowStart, _windowEnd, _next;

    public BicubicResampler(int width, int height, ResizeGeometry geometry)
    {
        _width = geometry.Size;
        _horizontal = BicubicTaps.For(width, geometry.Width, geometry.Left, _width);
        _vertical = BicubicTaps.For(height, geometry.Height, geometry.Top, _width);
        _windowStart = _windowEnd = _vertical.SourceStart;
        _capacity = Math.Min(4 * _vertical.Stride, _vertical.SourceEnd - _vertical.SourceStart);
        _window = ArrayPool<uint>.Shared.Rent(_capacity * _width);
    }

    public override bool Wants(int y) => y >= _vertical.SourceStart && y < _vertical.SourceEnd;

    public override void Push(ReadOnlySpan<uint> row)
    {
        if (_windowEnd - _windowStart == _capacity)
        {
            var keep = _vertical.Starts[_next];
            _window.AsSpan((keep - _windowStart) * _width, (_windowEnd - keep) * _width).CopyTo(_window);
            _windowStart = keep;
        }

        TKernel.Horizontal(row, _horizontal, _window.AsSpan((_windowEnd - _windowStart) * _width, _width));
        _windowEnd++;
    }

    public override bool TryPop(Span<uint> result)
    {
        if (_next == _vertical.Count) return false;
        var (start, length) = (_vertical.Starts[_next], _vertical.Lengths[_next]);
        if (start + length > _windowEnd) return false;
        TKernel.Vertical(_window.AsSpan((start - _windowStart) * _width, length * _width), _vertical, _next++, result);
        return true;
    }

    public override void Dispose() => ArrayPool<uint>.Shared.Return(_window);
}

/// <summary>Nearest neighbor, positions summed up as in libImaging/Geometry.c, <c>ImagingScaleAffine</c>.</summary>
internal sealed class NearestResampler(int width, int height, ResizeGeometry geometry) : PillowResampler
{
    private readonly int[] _columns = Positions(width, geometry.Width, geometry.Left, geometry.Size);
    private readonly int[] _rows = Positions(height, geometry.Height, geometry.Top, geometry.Size);
    private readonly uint[] _current = new uint[geometry.Size];
    private int _pushed = -1, _next;

    public override bool Wants(int y)
    {
        if (_next == _rows.Length || _rows[_next] != y) return false;
        _pushed = y;
        return true;
    }

    public override void Push(ReadOnlySpan<uint> row)
    {
        for (var x = 0; x < _columns.Length; x++) _current[x] = row[_columns[x]];
    }

    public override bool TryPop(Span<uint> result)
    {
        if (_next == _rows.Length || _rows[_next] != _pushed) return false;
        _current.CopyTo(result);
        _next++;
        return true;
    }

    /// <summary>For outputs <paramref name="first"/> … + <paramref name="count"/> − 1, the source position that each shows.</summary>
    private static int[] Positions(int sourceSize, int resultSize, int first, int count)
    {
        var positions = new int[count];
        var step = (double)sourceSize / resultSize;
        var at = step * 0.5;
        for (var i = 0; i < first + count; i++)
        {
            if (i >= first) positions[i - first] = Math.Min((int)at, sourceSize - 1);
            at += step;
        }

        return positions;
    }
}
