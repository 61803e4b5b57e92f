using System.Text.Json.Serialization;

namespace ClipMoe.Model.Datasets;

/// <summary>
/// Images with captions, addressed by 0 … <see cref="Count"/>−1 in an order that depends on nothing but the data. All members may be called
/// from any thread. Samples that turn out unreadable keep their index; <see cref="DatasetScan"/> finds them once and for all.
/// </summary>
public interface ICaptionedImages : IDisposable
{
    /// <summary>For people: the path the data set was opened by.</summary>
    string Name { get; }

    /// <summary>What it was read as; never <see cref="DatasetFormat.Auto"/>.</summary>
    DatasetFormat Format { get; }

    int Count { get; }

    /// <summary>
    /// SHA-256 (hexadecimal) of what is in the data set: names, captions or their sizes, image sizes. Independent of where it lies and of
    /// time stamps. Computed at opening, so a data set that is opened again after a change of these has another one; pixels, and captions
    /// of the same size, are <see cref="DatasetScan.ContentHash"/>'s business.
    /// </summary>
    string Fingerprint { get; }

    /// <summary>
    /// Name of the image of sample <paramref name="index"/> within the data set. Samples with equal keys share one image.
    /// </summary>
    string Key(int index);

    /// <summary>The caption, and its first sentence.</summary>
    /// <exception cref="BadSampleException">The sample has no usable caption.</exception>
    Caption Caption(int index);

    /// <summary>The image file's bytes, undecoded.</summary>
    /// <exception cref="BadSampleException">The image is missing, empty, too large, or outside of the data set's root.</exception>
    ReadOnlyMemory<byte> ReadImage(int index);

    /// <summary>
    /// Sizes and modification times of the files that the sample's image lies in, and its caption where <see cref="Fingerprint"/> knows
    /// only the caption's size, as one number: while it stays the same, so does the sample. 0 where a file is missing.
    /// </summary>
    ulong Stamp(int index);

    /// <summary>The split the data itself puts a sample into; null when it makes none.</summary>
    SampleSplit? GivenSplit(int index);
}

public readonly record struct Caption(string Long, string Short);

public enum SampleSplit { Train, Validation, Test }

/// <summary>Formats of data sets, with the names that experiment files give them.</summary>
public enum DatasetFormat
{
    Auto,
    Folder,
    [JsonStringEnumMemberName("sharegpt4v")] ShareGpt4V,
    [JsonStringEnumMemberName("webdataset")] WebDataset,
    Csv,
    Parquet,
}

/// <summary>
/// One sample can't be used. The message is a short reason that does not depend on the machine, without the sample's name.
/// </summary>
public sealed class BadSampleException(string reason, Exception? inner = null) : Exception(reason, inner);
