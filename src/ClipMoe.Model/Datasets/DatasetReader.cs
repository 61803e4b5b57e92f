namespace ClipMoe.Model.Datasets;

/// <summary>Opens a data set of any of the formats.</summary>
public static class DatasetReader
{
    /// <param name="path">A folder, a file, or for webdataset also a pattern like <c>shards/{00000..00099}.tar</c>.</param>
    /// <exception cref="UserErrorException">Nothing is there, or it is no data set of that format.</exception>
    public static ICaptionedImages Open(string path, DatasetFormat format = DatasetFormat.Auto)
    {
        if (format == DatasetFormat.Auto)
            format = Detect(path);
        return format switch
        {
            DatasetFormat.Folder => FolderDataset.Open(path),
            _ => throw new UserErrorException($"The format {format} of {path} is not known."),
        };
    }

    private static DatasetFormat Detect(string path)
    {
        if (Directory.Exists(path))
            return DatasetFormat.Folder;
        throw new UserErrorException($"There is no data set {path}: give a folder of images and captions.");
    }
}
