using System.Text;

namespace ClipMoe.Model.Tests.Datasets;

/// <summary>A temporary folder to put data sets into. <see cref="Outside"/> lies beside it, for paths that escape.</summary>
internal sealed class DataFolder : IDisposable
{
    private readonly string _top = Directory.CreateTempSubdirectory("clipmoe-data-").FullName;

    public DataFolder()
    {
        Directory.CreateDirectory(Root);
        Directory.CreateDirectory(Outside);
    }

    public string Root => Path.Join(_top, "root");
    public string Outside => Path.Join(_top, "root-outside");

    public string At(string relative) => Path.Join(Root, relative);

    public string Write(string relative, byte[] bytes)
    {
        var path = Path.GetFullPath(relative, Root);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    public string Write(string relative, string text) => Write(relative, Encoding.UTF8.GetBytes(text));

    /// <summary>NAME.png (bytes that stand for an image) and NAME.txt.</summary>
    public void WritePair(string name, string caption)
    {
        Write($"{name}.png", $"image {name}");
        Write($"{name}.txt", caption);
    }

    public void Dispose() => Directory.Delete(_top, recursive: true);
}
