using ClipMoe.Actors.Stages;
using ClipMoe.Model.Evaluation;

namespace ClipMoe.Actors.Evaluation;

/// <summary>Held-out samples as they are searched: every picture once, however many captions it has.</summary>
/// <param name="Images">[images] position of the first sample that shows the picture.</param>
/// <param name="ImageOfCaption">[samples] index into <paramref name="Images"/> of the picture that a sample's caption belongs to.</param>
internal sealed record Gallery(int[] Images, int[] ImageOfCaption)
{
    /// <param name="keys">[samples] names of the pictures; samples with equal ones share a picture.</param>
    public static Gallery FromKeys(IReadOnlyList<string> keys)
    {
        var (imageOfKey, images, imageOfCaption) = (new Dictionary<string, int>(StringComparer.Ordinal), new List<int>(),
            new int[keys.Count]);
        for (var sample = 0; sample < keys.Count; sample++)
        {
            if (!imageOfKey.TryGetValue(keys[sample], out var image))
            {
                imageOfKey[keys[sample]] = image = images.Count;
                images.Add(sample);
            }
            imageOfCaption[sample] = image;
        }
        return new Gallery([.. images], imageOfCaption);
    }

    /// <summary>Features [images, D] of each picture once, from those of all samples.</summary>
    public Features ImagesOf(SampleFeatures samples)
    {
        var width = samples.Width;
        var rows = new float[Images.Length * width];
        for (var i = 0; i < Images.Length; i++) samples.Image.AsSpan(Images[i] * width, width).CopyTo(rows.AsSpan(i * width));
        return new Features(rows, width);
    }
}
