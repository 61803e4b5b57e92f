using System.Runtime.InteropServices;
using System.Security.Cryptography;
using TorchSharp;

namespace ClipMoe.Model.Native;

/// <summary>No usable libtorch was found; the message says in one sentence what to do.</summary>
public sealed class LibTorchNotFoundException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Finds and loads libtorch once per process, before anything else touches TorchSharp.</summary>
/// <remarks>
/// Order: the folder named by <c>CLIPMOE_LIBTORCH</c> (a libtorch, its <c>lib</c>, or a PyTorch's <c>torch/lib</c>), else the native
/// packages beside the program. <c>libLibTorchSharp.so</c> always comes from the TorchSharp package. It asks for GLIBCXX_3.4.32
/// (GCC 13.2) without using any symbol of that version; where the system's libstdc++ is older, a copy with that need marked weak
/// is made in the user's cache folder and loaded instead.
/// </remarks>
public static class LibTorch
{
    public const string DirectoryVariable = "CLIPMOE_LIBTORCH";
    private const string UnusedVersionNeed = "GLIBCXX_3.4.32";
    private const int MallocTrimThreshold = -1, MallocTopPad = -2, MallocMmapThreshold = -3;

    private static readonly Lock Gate = new();
    private static bool _loaded;

    /// <summary>Where libtorch was loaded from; null before <see cref="EnsureLoaded"/>.</summary>
    public static string? Directory { get; private set; }

    /// <summary>Whether the loaded libtorch can compute on an NVIDIA GPU of this machine.</summary>
    public static bool CudaAvailable { get; private set; }

    /// <summary>Loads libtorch and sets the allocator's thresholds. Cheap when already loaded; safe from any thread.</summary>
    /// <exception cref="LibTorchNotFoundException">No libtorch could be loaded.</exception>
    public static void EnsureLoaded()
    {
        lock (Gate)
        {
            if (_loaded) return;
            TuneAllocator();
            Load();
            _loaded = true;
        }
    }

    private static void Load()
    {
        var packaged = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native");
        if (!System.IO.Directory.Exists(packaged)) packaged = AppContext.BaseDirectory;
        var chosen = Environment.GetEnvironmentVariable(DirectoryVariable);
        var directory = string.IsNullOrEmpty(chosen) ? packaged : LibraryFolder(Path.GetFullPath(chosen));
        if (!File.Exists(Path.Combine(directory, "libtorch_cpu.so")))
        {
            throw new LibTorchNotFoundException(string.IsNullOrEmpty(chosen)
                ? $"libtorch was not found in {directory}: set {DirectoryVariable} to the lib folder of a libtorch or PyTorch " +
                $"installation (…/torch/lib), or build with -p:TorchBackend=cpu or cuda."
                : $"{DirectoryVariable}={chosen} holds no libtorch_cpu.so: it must be a libtorch or the lib folder of a PyTorch " +
                $"installation (…/torch/lib).");
        }

        try
        {
            PreloadCudaDependencies(directory);
            NativeLibrary.Load(Path.Combine(directory, "libc10.so"));
            NativeLibrary.Load(Path.Combine(directory, "libtorch_cpu.so"));
            var hasCuda = File.Exists(Path.Combine(directory, "libtorch_cuda.so"));
            if (hasCuda) NativeLibrary.Load(Path.Combine(directory, "libtorch_cuda.so"));
            NativeLibrary.Load(Path.Combine(directory, "libtorch.so"));
            var binding = LoadBinding(Path.Combine(packaged, "libLibTorchSharp.so"));
            NativeLibrary.SetDllImportResolver(typeof(torch).Assembly, (name, _, _) => name == "LibTorchSharp" ? binding : 0);
            MarkTorchSharpInitialized();
            Directory = directory;
            CudaAvailable = hasCuda && torch.cuda_is_available();
        }
        catch (DllNotFoundException e)
        {
            throw new LibTorchNotFoundException(
                $"libtorch in {directory} does not load ({e.Message.Trim()}): set {DirectoryVariable} to a libtorch or PyTorch 2.10 for " +
                $"this system.", e);
        }
    }

    /// <summary>The root of an unpacked libtorch, or of the <c>torch</c> package of a PyTorch, stands for its <c>lib</c>.</summary>
    private static string LibraryFolder(string chosen) =>
        File.Exists(Path.Combine(chosen, "lib", "libtorch_cpu.so")) ? Path.Combine(chosen, "lib") : chosen;

    /// <summary>A PyTorch wheel keeps the CUDA libraries in sibling packages that only its Python loader would find.</summary>
    private static void PreloadCudaDependencies(string directory)
    {
        var packages = Path.GetFullPath(Path.Combine(directory, "..", "..", "nvidia"));
        if (!File.Exists(Path.Combine(directory, "libtorch_cuda.so")) || !System.IO.Directory.Exists(packages)) return;
        var libraries = System.IO.Directory.EnumerateFiles(packages, "*.so*", SearchOption.AllDirectories).Order().ToList();
        // Their own dependencies are among them, in no order that names tell: what loads makes more loadable in the next round.
        for (var before = libraries.Count + 1; libraries.Count < before;)
        {
            before = libraries.Count;
            libraries.RemoveAll(l => NativeLibrary.TryLoad(l, out _));
        }
    }

    private static nint LoadBinding(string path)
    {
        if (!File.Exists(path)) throw new LibTorchNotFoundException(
            $"{path} is missing: the build is incomplete; restore and build again.");
        try
        {
            return NativeLibrary.Load(path);
        }
        catch (DllNotFoundException e) when (e.Message.Contains(UnusedVersionNeed))
        {
            return NativeLibrary.Load(WeakenedCopy(path));
        }
    }

    private static string WeakenedCopy(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var hash = Convert.ToHexStringLower(SHA256.HashData(bytes))[..16];
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg ? xdg
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        var target = Path.Combine(cache, "clipmoe", $"libLibTorchSharp-{hash}.so");
        if (File.Exists(target)) return target;

        ElfVersionNeeds.Weaken(bytes, UnusedVersionNeed);
        try
        {
            return WriteOnce(target, bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return WriteOnce(Path.Combine(Path.GetTempPath(), $"clipmoe-{Environment.UserName}", Path.GetFileName(target)), bytes);
        }
    }

    /// <summary>Several processes may start at once: each writes its own temporary file, the last rename wins, all are equal.</summary>
    private static string WriteOnce(string target, byte[] bytes)
    {
        System.IO.Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        var temporary = $"{target}.{Environment.ProcessId}";
        File.WriteAllBytes(temporary, bytes);
        File.Move(temporary, target, overwrite: true);
        return target;
    }

    /// <summary>
    /// TorchSharp's own search would load a second libtorch beside the one chosen here, so its "already loaded" marks are set.
    /// </summary>
    private static void MarkTorchSharpInitialized()
    {
        foreach (var name in (string[])["nativeBackendLoaded", "nativeBackendCudaLoaded"])
        {
            var field = typeof(torch).GetField(name, System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Static)
                ?? throw new LibTorchNotFoundException(
                $"this TorchSharp has no field {name}: use the version in Directory.Packages.props.");
            field.SetValue(null, true);
        }
    }

    /// <summary>
    /// By default glibc gives large temporaries back to the system at every free, and page faults then cost 10 to 25 % of a step.
    /// </summary>
    private static void TuneAllocator()
    {
        const int threshold = 1 << 30;
        try
        {
            _ = mallopt(MallocMmapThreshold, threshold);
            _ = mallopt(MallocTrimThreshold, threshold);
            _ = mallopt(MallocTopPad, 64 << 20);
        }
        catch (EntryPointNotFoundException)
        {
            // musl has no mallopt and needs none.
        }
    }

    [DllImport("libc", EntryPoint = "mallopt")]
    private static extern int mallopt(int parameter, int value);
}
