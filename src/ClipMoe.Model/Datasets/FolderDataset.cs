using System.IO.Enumeration;

namespace ClipMoe.Model.Datasets;

/// <summary>
/// Images with caption files beside them, NAME.jpg and NAME.txt, in folders of any depth: what img2dataset's <c>--output_format files</c>
/// writes. Order: depth first, files before folders, each by ordinal name (as the reference's DCDataset sorts them). Names that begin with
/// a dot are not looked at. A data set whose samples all lie in the top folders train and val or test is split by them.
/// </summary>
internal sealed class FolderDataset : ICaptionedImages
{
    private static readonly HashSet<string> ImageExtensions =
        new(StringComparer.OrdinalIgnoreCase) { ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff" };

    private static readonly Dictionary<string, SampleSplit> SplitFolders = new(StringComparer.Ordinal)
    {
        ["train"] = SampleSplit.Train,
        ["val"] = SampleSplit.Validation,
        ["valid"] = SampleSplit.Validation,
        ["validation"] = SampleSplit.Validation,
        ["test"] = SampleSplit.Test,
    };

    private readonly RootedPaths _paths;
    private readonly PackedStrings _folders = new();
    private readonly List<int> _folderOf = [];
    private readonly PackedStrings _names = new();
    private readonly bool _hasSplits;

    private FolderDataset(string root)
    {
        Name = root;
        _paths = new RootedPaths(root);
        var fingerprint = new FingerprintBuilder("folder");
        try
        {
            Walk(root, "", fingerprint);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"The data set {root} can't be read: {e.Message}", e);
        }

        Fingerprint = fingerprint.Finish();
        _hasSplits = HasSplits();
    }

    public string Name { get; }
    public DatasetFormat Format => DatasetFormat.Folder;
    public int Count => _names.Count;
    public string Fingerprint { get; }

    /// <exception cref="UserErrorException">The folder holds no images, or can't be read.</exception>
    public static FolderDataset Open(string root)
    {
        var data = new FolderDataset(root);
        return data.Count > 0
            ? data
            : throw new UserErrorException(
                $"The folder {root} holds no images ({string.Join(", ", ImageExtensions)}): " +
                "a data set is a folder with NAME.jpg and NAME.txt files.")
            {
                // Where a disk is not mounted its folder is there, and empty.
                IsMissing = true,
            };
    }

    public string Key(int index)
    {
        var folder = _folders[_folderOf[index]];
        return folder.Length == 0 ? _names[index] : $"{folder}/{_names[index]}";
    }

    public Caption Caption(int index) =>
        CaptionText.FromFile(SampleFile.ReadCaption(_paths.Resolve(Path.ChangeExtension(Key(index), ".txt"))));

    public ReadOnlyMemory<byte> ReadImage(int index) => SampleFile.ReadImage(_paths.Resolve(Key(index)));

    public ulong Stamp(int index) => _paths.Stamp(Key(index), Path.ChangeExtension(Key(index), ".txt"));

    public SampleSplit? GivenSplit(int index) => _hasSplits ? SplitOf(_folders[_folderOf[index]]) : null;

    public void Dispose()
    {
    }

    private void Walk(string folder, string relative, FingerprintBuilder fingerprint)
    {
        var entries = Entries(folder);
        var captions = entries.Where(e => !e.IsFolder && Path.GetExtension(e.Name) == ".txt")
            .ToDictionary(e => e.Name, e => e.Length, StringComparer.Ordinal);
        var here = -1;
        foreach (var (name, isFolder, isLink, length) in entries)
        {
            // A linked folder is never entered. Inside of the root its files are found where they really are; leading out of it, it is a
            // bad sample.
            var isLeavingLink = isFolder && isLink && LeavesRoot(relative, name);
            if (!isLeavingLink && (isFolder || !ImageExtensions.Contains(Path.GetExtension(name))))
                continue;
            if (here < 0)
                here = _folders.Add(relative);
            _folderOf.Add(here);
            _names.Add(name);
            fingerprint.Add(relative).Add(name).Add(length).Add(captions.GetValueOrDefault(Path.ChangeExtension(name, ".txt"), -1));
        }

        foreach (var (name, isFolder, isLink, _) in entries)
            if (isFolder && !isLink)
                Walk(Path.Join(folder, name), relative.Length == 0 ? name : $"{relative}/{name}", fingerprint);
    }

    private static List<(string Name, bool IsFolder, bool IsLink, long Length)> Entries(string folder)
    {
        var options = new EnumerationOptions { IgnoreInaccessible = false, AttributesToSkip = 0 };
        var entries = new FileSystemEnumerable<(string Name, bool IsFolder, bool IsLink, long Length)>(
            folder,
            static (ref FileSystemEntry e) =>
            {
                var isLink = e.Attributes.HasFlag(FileAttributes.ReparsePoint);
                return (e.FileName.ToString(), e.IsDirectory, isLink, e.IsDirectory ? 0 : e.Length);
            },
            options)
        {
            ShouldIncludePredicate = static (ref FileSystemEntry e) => !e.FileName.StartsWith('.'),
        }.ToList();
        entries.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        return entries;
    }

    private bool LeavesRoot(string relative, string name)
    {
        try
        {
            _paths.Resolve(Path.Join(relative, name));
            return false;
        }
        catch (BadSampleException)
        {
            return true;
        }
    }

    private bool HasSplits()
    {
        var splits = Enumerable.Range(0, _folders.Count).Select(f => SplitOf(_folders[f])).ToHashSet();
        return splits.Count > 1 && splits.Contains(SampleSplit.Train) && !splits.Contains(null);
    }

    private static SampleSplit? SplitOf(string folder) => SplitFolders.TryGetValue(folder.Split('/')[0], out var split) ? split : null;
}
