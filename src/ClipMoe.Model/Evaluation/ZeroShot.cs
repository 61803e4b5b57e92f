using System.Numerics.Tensors;
using System.Text.Json.Serialization;
using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Evaluation;

/// <param name="DataSet">Name of the data set.</param>
/// <param name="Split">Which part of it.</param>
/// <param name="Images">Images classified.</param>
/// <param name="Classes">Classes to choose from.</param>
/// <param name="Templates">Prompt templates whose features are averaged for each class.</param>
/// <param name="Top1">Fraction of images whose class scores above all others.</param>
/// <param name="Top5">Fraction of images whose class is among the first five.</param>
/// <param name="MeanPerClass">Top-1 averaged over the classes that occur, for data sets with rare classes.</param>
public sealed record ZeroShotResult(
    [property: JsonPropertyName("data_set")] string DataSet,
    [property: JsonPropertyName("split")] string Split,
    [property: JsonPropertyName("images")] int Images,
    [property: JsonPropertyName("classes")] int Classes,
    [property: JsonPropertyName("templates")] int Templates,
    [property: JsonPropertyName("top1")] double Top1,
    [property: JsonPropertyName("top5")] double Top5,
    [property: JsonPropertyName("mean_per_class")] double MeanPerClass);

/// <summary>Classification by the text features of class names in prompt templates (Radford et al. 2021, section 3.1.4).</summary>
public static class ZeroShot
{
    /// <summary>Where a template takes the class name.</summary>
    public const string Placeholder = "{}";

    /// <summary>[classes × templates] every class name in every template, all templates of a class together.</summary>
    /// <exception cref="UserErrorException">No classes or templates, or a template without <see cref="Placeholder"/>.</exception>
    public static IReadOnlyList<string> Prompts(IReadOnlyList<string> classNames, IReadOnlyList<string> templates)
    {
        if (classNames.Count == 0 || templates.Count == 0)
            throw new UserErrorException("Zero-shot classification needs class names and prompt templates.");
        if (templates.FirstOrDefault(t => !t.Contains(Placeholder)) is { } bad)
            throw new UserErrorException($"The prompt template \"{bad}\" has no {Placeholder} for the class name.");
        return [.. classNames.SelectMany(name => templates.Select(t => t.Replace(Placeholder, name)))];
    }

    /// <summary>The mean of the normalized features of a class's prompts, for each class: [classes, D].</summary>
    /// <param name="prompts">[classes × templates, D] features of <see cref="Prompts"/>, in its order.</param>
    /// <param name="templates">Prompts a class.</param>
    public static Features ClassWeights(Features prompts, int templates)
    {
        if (templates < 1 || prompts.Count % templates != 0) throw new ArgumentException($"{prompts.Count} prompts, {templates} a class");
        var inverse = prompts.InverseNorms("prompt");
        var weights = new float[prompts.Count / templates * prompts.Dimension];
        for (var p = 0; p < prompts.Count; p++)
        {
            var weight = weights.AsSpan(p / templates * prompts.Dimension, prompts.Dimension);
            TensorPrimitives.MultiplyAdd(prompts[p], inverse[p], weight, weight);
        }

        return new Features(weights, prompts.Dimension);
    }

    /// <summary>Scores each image against each class. Classes that score the same as the right one count as ranked before it.</summary>
    /// <param name="dataSet">For the result's stamp.</param>
    /// <param name="split">For the result's stamp.</param>
    /// <param name="images">[images, D].</param>
    /// <param name="labels">[images] the class of each.</param>
    /// <param name="classWeights">[classes, D] of <see cref="ClassWeights"/>.</param>
    /// <param name="templates">For the result's stamp.</param>
    public static ZeroShotResult Evaluate(
        string dataSet, string split, Features images, IReadOnlyList<int> labels, Features classWeights, int templates)
    {
        if (images.Count == 0) throw new UserErrorException($"There are no images of {dataSet} to classify.");
        if (images.Dimension != classWeights.Dimension || labels.Count != images.Count)
            throw new ArgumentException($"{images.Count} images of {images.Dimension} dimensions, {labels.Count} labels");
        images.InverseNorms("image");
        var inverse = classWeights.InverseNorms("class");
        var (hits, seen, top5) = (new int[inverse.Length], new int[inverse.Length], 0);
        var scores = new float[inverse.Length];
        for (var i = 0; i < images.Count; i++)
        {
            var label = labels[i];
            if ((uint)label >= (uint)inverse.Length)
                throw new UserErrorException($"Image {i} of {dataSet} has class {label}, but there are {inverse.Length} classes.");
            DotProducts.Products(images[i], classWeights.Values.Span, images.Dimension, scores);
            TensorPrimitives.Multiply(scores, inverse, scores);
            var rank = 0;
            for (var c = 0; c < scores.Length; c++)
            {
                if (c != label && scores[c] >= scores[label]) rank++;
            }

            seen[label]++;
            if (rank == 0) hits[label]++;
            if (rank < 5) top5++;
        }

        return new ZeroShotResult(
            dataSet, split, images.Count, inverse.Length, templates, hits.Sum() / (double)images.Count, top5 / (double)images.Count,
            Enumerable.Range(0, seen.Length).Where(c => seen[c] > 0).Average(c => hits[c] / (double)seen[c]));
    }
}
