namespace ClipMoe.Model.Datasets.Scenes;

/// <summary>
/// Draws a scene in integers only, so that its pixels are the same everywhere. Coordinates are in sixteenths of a pixel; each pixel is the
/// mean of 4×4 samples.
/// </summary>
internal static class SceneDrawing
{
    public const int Side = 32;

    private const int Unit = 16;
    private const int SamplesPerAxis = 4;

    private static readonly Rgb[] Colors =
    [
        new(214, 40, 40), new(44, 170, 60), new(48, 84, 224), new(244, 214, 40),
        new(140, 52, 190), new(245, 132, 30), new(50, 206, 214), new(250, 130, 190),
    ];

    private static readonly Rgb[] Backgrounds =
    [
        new(240, 242, 246), new(150, 152, 156), new(24, 24, 38), new(206, 186, 146), new(78, 98, 62), new(60, 84, 108),
    ];

    private static readonly int[] Radii = [6 * Unit, 8 * Unit + Unit / 2, 11 * Unit + Unit / 2];

    private readonly record struct Rgb(int R, int G, int B)
    {
        public Rgb Scaled(int percent) => new(R * percent / 100, G * percent / 100, B * percent / 100);
    }

    /// <returns>RGB bytes [32, 32, 3].</returns>
    public static byte[] Draw(SceneFactors f, ref SceneRandom random)
    {
        var centerX = Side * Unit / 2 + random.Between(-Unit, Unit);
        var centerY = Side * Unit / 2 + random.Between(-Unit, Unit);
        var dotX = (f.DotCorner % 2 == 0 ? 4 : Side - 4) * Unit + random.Between(-Unit / 2, Unit / 2);
        var dotY = (f.DotCorner / 2 == 0 ? 4 : Side - 4) * Unit + random.Between(-Unit / 2, Unit / 2);
        var light = random.Between(90, 106);

        var pixels = new byte[Side * Side * 3];
        for (var y = 0; y < Side; y++)
        {
            for (var x = 0; x < Side; x++)
            {
                int r = 0, g = 0, b = 0;
                for (var s = 0; s < SamplesPerAxis * SamplesPerAxis; s++)
                {
                    var px = x * Unit + (s % SamplesPerAxis) * (Unit / SamplesPerAxis) + Unit / SamplesPerAxis / 2;
                    var py = y * Unit + (s / SamplesPerAxis) * (Unit / SamplesPerAxis) + Unit / SamplesPerAxis / 2;
                    var color = Sample(f, px - centerX, py - centerY, px - dotX, py - dotY);
                    (r, g, b) = (r + color.R, g + color.G, b + color.B);
                }

                var noise = random.Between(-6, 6);
                var at = (y * Side + x) * 3;
                pixels[at] = Shade(r, light, noise);
                pixels[at + 1] = Shade(g, light, noise);
                pixels[at + 2] = Shade(b, light, noise);
            }
        }

        return pixels;
    }

    private static byte Shade(int sum, int light, int noise) =>
        (byte)Math.Clamp(sum * light / (100 * SamplesPerAxis * SamplesPerAxis) + noise, 0, 255);

    private static Rgb Sample(SceneFactors f, int x, int y, int dotX, int dotY)
    {
        var fromDot = dotX * dotX + dotY * dotY;
        if (fromDot <= Square(2 * Unit + Unit / 4))
            return Colors[f.DotColor];
        if (fromDot <= Square(3 * Unit))
            return new Rgb(10, 10, 10);
        var radius = Radii[f.Size];
        if (!IsInside(f.Shape, x, y, radius))
            return Backgrounds[f.Background];
        return IsMarked(f.Texture, x, y) ? Colors[f.Color].Scaled(35) : Colors[f.Color];
    }

    /// <summary>Whether a point relative to the object's center lies in the shape of "radius" r.</summary>
    private static bool IsInside(int shape, int x, int y, int r)
    {
        int ax = Math.Abs(x), ay = Math.Abs(y), square = x * x + y * y;
        return shape switch
        {
            0 => square <= r * r,
            1 => ax <= r * 5 / 6 && ay <= r * 5 / 6,
            2 => y <= r * 3 / 4 && y >= -r && 2 * ax * 7 <= (y + r) * 8,
            3 => ax * 4 + ay * 3 <= r * 3 + r / 4,
            4 => Math.Min(ax, ay) <= r / 3 && Math.Max(ax, ay) <= r,
            5 => IsInStar(x, y, r),
            6 => square <= r * r && square >= Square(r * 11 / 20),
            _ => square <= r * r && Square(x - r / 2) + Square(y + r / 4) > Square(r * 4 / 5),
        };
    }

    /// <summary>
    /// A point lies in a five-pointed star when it is on the inner side of at least four of the five lines of the pentagram.
    /// </summary>
    private static bool IsInStar(int x, int y, int r)
    {
        ReadOnlySpan<(int X, int Y)> normals = [(0, -1000), (951, -309), (588, 809), (-588, 809), (-951, -309)];
        var inner = 0;
        foreach (var (nx, ny) in normals)
            if (x * nx + y * ny <= r * 350)
                inner++;
        return inner >= 4;
    }

    /// <summary>
    /// Whether the texture is dark at a point: stripes and bars are 2 px wide, slants and checks 3 px, spots 3 px across.
    /// </summary>
    private static bool IsMarked(int texture, int x, int y)
    {
        return texture switch
        {
            0 => false,
            1 => Phase(y, 4) < 2 * Unit,
            2 => Phase(x, 4) < 2 * Unit,
            3 => Phase(x + y, 6) < 3 * Unit,
            4 => Phase(x, 6) < 3 * Unit != Phase(y, 6) < 3 * Unit,
            _ => Square(Phase(x, 5) - 5 * Unit / 2) + Square(Phase(y, 5) - 5 * Unit / 2) <= Square(Unit + Unit / 2),
        };
    }

    /// <summary>Position within a period of so many pixels.</summary>
    private static int Phase(int v, int period) => ((v % (period * Unit)) + period * Unit) % (period * Unit);

    private static int Square(int v) => v * v;
}
