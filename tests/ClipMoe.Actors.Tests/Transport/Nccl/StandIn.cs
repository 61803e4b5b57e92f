using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace ClipMoe.Actors.Tests.Transport.Nccl;

/// <summary>The stand-in for NCCL and the GPU's driver, compiled: what calls it passes arguments as C does.</summary>
internal static unsafe class StandIn
{
    private static readonly Lazy<(string? Path, string? Lack)> Compiled = new(Compile);

    public static string Path => Compiled.Value.Path ?? throw new InvalidOperationException(Lack);

    /// <summary>Why there is none here; null when there is.</summary>
    public static string? Lack => Compiled.Value.Lack;

    /// <summary>Communicators, streams and pieces of memory that were not freed.</summary>
    public static int Alive => ((delegate* unmanaged<int>)Export("standin_alive"))();

    /// <param name="function">What fails from now on; empty: nothing does.</param>
    public static void Fail(string function)
    {
        var name = Marshal.StringToCoTaskMemUTF8(function);
        ((delegate* unmanaged<nint, void>)Export("standin_fail"))(name);
        Marshal.FreeCoTaskMem(name);
    }

    private static nint Export(string name) => NativeLibrary.GetExport(NativeLibrary.Load(Path), name);

    private static (string? Path, string? Lack) Compile()
    {
        var source = System.IO.Path.Combine(AppContext.BaseDirectory, "Transport", "Nccl", "standin.c");
        var folder = Directory.CreateTempSubdirectory("clipmoe-nccl-");
        AppDomain.CurrentDomain.ProcessExit += (_, _) => folder.Delete(recursive: true);
        var target = System.IO.Path.Combine(folder.FullName, "libnccl.so.2");
        try
        {
            var start = new ProcessStartInfo("cc", ["-shared", "-fPIC", "-O1", "-pthread", "-o", target, source])
            {
                RedirectStandardError =
                true
            };
            using var compiler = Process.Start(start)!;
            var errors = compiler.StandardError.ReadToEnd();
            compiler.WaitForExit();
            return compiler.ExitCode == 0 ? (target, null) : (null, $"cc does not compile {source}: {errors}");
        }
        catch (Win32Exception)
        {
            return (null, "there is no C compiler (apt-get install gcc libc6-dev)");
        }
    }
}

/// <summary>A test that needs a C compiler; skipped where there is none, except on a build server (<c>CI=true</c>).</summary>
internal sealed class StandInFactAttribute : FactAttribute
{
    public StandInFactAttribute()
    {
        if (Environment.GetEnvironmentVariable("CI") != "true") Skip = StandIn.Lack;
    }
}
