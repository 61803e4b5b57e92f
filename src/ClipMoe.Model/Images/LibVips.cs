using System.Runtime.InteropServices;
using NetVips;

namespace ClipMoe.Model.Images;

/// <summary>libvips as this project uses it: every decode runs on the caller's own thread, keeps nothing, and prints nothing.</summary>
internal static class LibVips
{
    static LibVips()
    {
        NetVips.NetVips.Concurrency = 1;
        NetVips.NetVips.BlockUntrusted = true;
        Cache.Max = 0;

        // What VIPS_WARNING=1 does, which cannot be set from inside a .NET process: libvips reads the C library's environment at its start.
        Log.SetLogHandler("VIPS", Enums.LogLevelFlags.Warning, (_, _, _) => { });
    }

    /// <summary>
    /// Reads the header of an image; pixels are decoded when they are fetched, top to bottom. Only the loader of the detected format runs.
    /// </summary>
    /// <exception cref="VipsException">The header is damaged.</exception>
    public static Image Open(ImageFormat format, byte[] file)
    {
        const Enums.Access access = Enums.Access.Sequential;
        const Enums.FailOn failOn = Enums.FailOn.Error;
        return format switch
        {
            ImageFormat.Jpeg => Image.JpegloadBuffer(file, access: access, failOn: failOn),
            ImageFormat.Png => Image.PngloadBuffer(file, access: access, failOn: failOn),
            ImageFormat.WebP => Image.WebploadBuffer(file, access: access, failOn: failOn),
            ImageFormat.Tiff => Image.TiffloadBuffer(file, access: access, failOn: failOn),
            _ => throw new ArgumentOutOfRangeException(nameof(format), format, "not decoded by libvips"),
        };
    }

    /// <summary>
    /// Decodes full rows into memory of libvips, to be given back with <see cref="NetVips.NetVips.Free"/>. <see cref="Region.Fetch"/>
    /// copies them into a new array each time, which takes a tenth of the time of a whole decode.
    /// </summary>
    /// <exception cref="VipsException">The pixels are damaged.</exception>
    public static nint Fetch(Region region, int top, int width, int count)
    {
        var rows = vips_region_fetch(region.DangerousGetHandle(), 0, top, width, count, out _);
        GC.KeepAlive(region);
        return rows != 0 ? rows : throw new VipsException("the rows cannot be decoded");
    }

    [DllImport("libvips.so.42")]
    private static extern nint vips_region_fetch(nint region, int left, int top, int width, int height, out nuint length);
}
