using System.Globalization;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Numerics;
using ClipMoe.Model.TensorFiles;

namespace ClipMoe.Model.Images;

/// <summary>
/// Image files preprocessed into one tensor file: <c>u8/NAME</c> [3, size, size] for each, NAME being the file's name without its folder.
/// </summary>
public static class PreprocessedImages
{
    /// <summary>Pixels that are held until they are written.</summary>
    private const int ChunkBytes = 64 << 20;

    /// <summary>An image that cannot be used, and a sentence that says which and why.</summary>
    public sealed record BadImage(string Path, string Reason);

    /// <summary>
    /// Preprocesses on all cores, in bounded memory. With a bad image among them nothing is written, unless bad ones are to be skipped and
    /// some are left. Every image is tried in any case.
    /// </summary>
    /// <param name="images">Paths of image files.</param>
    /// <param name="preprocessor">Decides the size and the order of conversion.</param>
    /// <param name="output">The file to write: safetensors, or PyTorch's format when it ends in <c>.pt</c>.</param>
    /// <param name="skipBad">Leave bad images out instead of writing nothing.</param>
    /// <param name="cancellation">Images that have begun are finished, then it ends; nothing is written.</param>
    /// <returns>The bad images, in the order given.</returns>
    /// <exception cref="UserErrorException">Two files have the same name.</exception>
    public static IReadOnlyList<BadImage> Write(
        IReadOnlyList<string> images, ImagePreprocessor preprocessor, string output, bool skipBad, CancellationToken cancellation)
    {
        var twins = images.GroupBy(TensorName).FirstOrDefault(g => g.Count() > 1);
        if (twins is not null)
        {
            throw new UserErrorException(
                $"{twins.First()} and {twins.Last()} have the same name, which names their tensors; preprocess them into two files.");
        }

        var bad = new List<BadImage>();
        var good = images;
        while (good.Count > 0)
        {
            var found = TryWrite(good, preprocessor, output, cancellation);
            bad.AddRange(found);
            if (found.Count == 0 || !skipBad) break;
            var refused = found.Select(b => b.Path).ToHashSet();
            good = [.. good.Where(path => !refused.Contains(path))];
        }

        return bad;
    }

    /// <summary>Writes the file only when no image is bad: its header, which comes first, names them all.</summary>
    private static List<BadImage> TryWrite(
        IReadOnlyList<string> images, ImagePreprocessor preprocessor, string output, CancellationToken cancellation)
    {
        var shape = new long[] { 3, preprocessor.Size, preprocessor.Size };
        var metadata = new Dictionary<string, string>
        {
            ["size"] = preprocessor.Size.ToString(CultureInfo.InvariantCulture),
            ["conversion"] = preprocessor.Conversion.ToString(),
        };
        using var writer = TensorFile.Create(output, [.. images.Select(path => new TensorInfo(TensorName(path), TensorType.U8, shape))],
            metadata);
        var chunk = new byte[Math.Clamp(ChunkBytes / preprocessor.ResultLength, 1, images.Count)][];
        var reasons = new string?[chunk.Length];
        var bad = new List<BadImage>();
        for (var start = 0; start < images.Count; start += chunk.Length)
        {
            var count = Math.Min(chunk.Length, images.Count - start);
            DedicatedThreads.For(count, Environment.ProcessorCount, i =>
            {
                chunk[i] ??= new byte[preprocessor.ResultLength];
                reasons[i] = Refusal(images[start + i], preprocessor, chunk[i]);
            }, cancellation);
            for (var i = 0; i < count; i++)
            {
                if (reasons[i] is { } reason) bad.Add(new BadImage(images[start + i], reason));
                else if (bad.Count == 0) writer.Write(TensorName(images[start + i]), chunk[i]);
            }
        }

        if (bad.Count == 0) writer.Commit();
        return bad;
    }

    private static string? Refusal(string path, ImagePreprocessor preprocessor, byte[] pixels)
    {
        try
        {
            preprocessor.Process(File.ReadAllBytes(path), pixels, path);
            return null;
        }
        catch (UserErrorException e)
        {
            return e.Message;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return File.Exists(path) ? $"{path} cannot be read: {e.Message.TrimEnd('.')}." : $"{path} is no file; check the path.";
        }
    }

    private static string TensorName(string path) => $"u8/{Path.GetFileName(path)}";
}
