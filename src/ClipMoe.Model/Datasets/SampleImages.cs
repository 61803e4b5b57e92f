using ClipMoe.Model.Images;

namespace ClipMoe.Model.Datasets;

/// <summary>Ties the images of a data set to their preprocessing: an image that can't be decoded is a bad sample.</summary>
public static class SampleImages
{
    /// <summary>What the reference does: its ShareGPT4V data set resizes before it converts, its folder data set after.</summary>
    public static ConversionOrder DefaultConversion(DatasetFormat format) =>
        format == DatasetFormat.ShareGpt4V ? ConversionOrder.AsIs : ConversionOrder.RgbFirst;

    /// <summary>For a <see cref="BatchLoader"/>.</summary>
    public static ImagePreparation Preparation(ImagePreprocessor preprocessor) => (file, pixels) => Process(preprocessor, file, pixels);

    /// <summary>For a <see cref="DatasetScan"/>: finds just the images that <see cref="Preparation"/> would fail on.</summary>
    public static ImageCheck Check(ImagePreprocessor preprocessor)
    {
        var scratch = new ThreadLocal<byte[]>(() => new byte[preprocessor.ResultLength]);
        return file => Process(preprocessor, file, scratch.Value!);
    }

    private static void Process(ImagePreprocessor preprocessor, ReadOnlyMemory<byte> file, Span<byte> pixels)
    {
        try
        {
            preprocessor.Process(file, pixels);
        }
        catch (UserErrorException e)
        {
            throw new BadSampleException(e.Message.TrimEnd('.'), e);
        }
    }
}
