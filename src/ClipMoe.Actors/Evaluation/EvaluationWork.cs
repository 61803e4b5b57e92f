using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Files;
using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Reports;
using ClipMoe.Actors.Stages;
using ClipMoe.Model.Architecture;
using ClipMoe.Model.Datasets;
using ClipMoe.Model.Evaluation;
using ClipMoe.Model.Files;
using ClipMoe.Model.Images;
using ClipMoe.Model.Parameters;

namespace ClipMoe.Actors.Evaluation;

/// <summary>Measures one model on the held-out samples. Runs on a device thread.</summary>
internal static class EvaluationWork
{
    private const int Examples = 6, ResultsPerExample = 5;

    /// <summary>More training samples than this make a probe slower and hardly better.</summary>
    private const int ProbeSamples = 4000;

    public static ModelEvaluated Evaluate(Workspace workspace, EvaluateModel work, int worker, CancellationToken cancellation)
    {
        using var replica = workspace.Models.Load(work.File, TrainableParameters.None);
        var (data, threads) = (workspace.Data, workspace.Device.Threads);
        var encoded = FeatureBatches.Encode(data, replica, data.HeldOut, cancellation);
        var gallery = Gallery.FromKeys([.. data.HeldOut.Select(data.Images.Key)]);
        var protocol = RetrievalProtocol.Create(data.Images.Name, data.HeldOutSplit, gallery.Images.Length, gallery.ImageOfCaption);
        var (images, captions) = (gallery.ImagesOf(encoded), new Features(encoded.Text, encoded.Width));
        if (!images.AreFinite || !captions.AreFinite)
            return Measured(workspace, work, worker, new ModelFigures(Diverged(work.Model, protocol), [], [], []));
        var ranks = Retrieval.Rank(images, captions, gallery.ImageOfCaption, threads);
        return Measured(workspace, work, worker, new ModelFigures(
            Scores(work.Model, RetrievalResult.FromRanks(ranks, protocol)),
            Probes(workspace, replica, new Features(encoded.Image, encoded.Width), cancellation),
            [.. Loads(work.Model, "image", encoded.ImageLoad), .. Loads(work.Model, "text", encoded.TextLoad)],
            work.WithExamples ? ExamplesOf(data, gallery, work.Model, replica.Layout.Config.ImageResolution, images, captions, ranks)
            : []));
    }

    private static ModelEvaluated Measured(Workspace workspace, EvaluateModel work, int worker, ModelFigures figures)
    {
        var file = RunFolder.FiguresFile(work.Stage, work.Model);
        var path = workspace.Folder.Absolute(file);
        ReportJson.Save(path, figures);
        return new ModelEvaluated(work.Stage, work.Model, worker, new WrittenFile(file, FileHash.Sha256OfWritten(path)));
    }

    /// <summary>A model whose features are not finite finds nothing, and keeps no other model from being measured.</summary>
    private static RetrievalScores Diverged(string model, RetrievalProtocol protocol) => new(
        model, protocol.Split, Described(protocol) + ", its features are not finite numbers: it has diverged", protocol.Images,
        protocol.Captions,
        0, 0, 0, 0, 0, 0);

    private static string Described(RetrievalProtocol protocol) =>
        $"{protocol.Images} images, {protocol.Captions} captions, ties count against";

    private static RetrievalScores Scores(string model, RetrievalResult result)
    {
        var protocol = result.Protocol;
        return new RetrievalScores(
            model, protocol.Split, Described(protocol), protocol.Images, protocol.Captions,
            Percent.FromFraction(result.ImageToTextAt1), Percent.FromFraction(result.ImageToTextAt5),
            Percent.FromFraction(result.ImageToTextAt10),
            Percent.FromFraction(result.TextToImageAt1), Percent.FromFraction(result.TextToImageAt5),
            Percent.FromFraction(result.TextToImageAt10));
    }

    private static IEnumerable<ExpertLoad> Loads(string model, string tower, RouterLoad? load)
    {
        for (var layer = 0; layer < load?.Layers; layer++)
        {
            var counts = load.Counts.AsSpan(layer * load.Experts, load.Experts).ToArray();
            yield return new ExpertLoad(model, tower, layer, [.. counts.Select(c => c / (double)counts.Sum())]);
        }
    }

    private static List<ProbeResult> Probes(Workspace workspace, Replica replica, Features heldOut, CancellationToken cancellation)
    {
        var data = workspace.Data;
        if (data.Attributes is not { } table || !workspace.Experiment.Evaluation.LinearProbe) return [];
        var samples = data.Train.AsSpan(0, Math.Min(ProbeSamples, data.Train.Length)).ToArray();
        var encoded = FeatureBatches.Encode(data, replica, samples, cancellation);
        var train = new Features(encoded.Image, encoded.Width);
        var probes = new List<ProbeResult>();
        for (var a = 0; a < table.Attributes.Count; a++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (Values(samples, a) is not { } trainLabels || Values(data.HeldOut, a) is not { } testLabels) continue;
            var attribute = table.Attributes[a];
            probes.Add(LinearProbe.Evaluate(
                attribute.Name, train, trainLabels, heldOut, testLabels, attribute.Values.Count, workspace.Device.Threads));
        }
        return probes;

        // Null when a sample has no value: such an attribute is not probed.
        List<int>? Values(int[] indices, int attribute)
        {
            var values = indices.Select(i => table.Value(data.Images.Key(i), attribute)).ToList();
            return values.Any(v => v is null) ? null : [.. values.Select(v => v!.Value)];
        }
    }

    /// <summary>
    /// Samples spread over the held-out ones: the pictures that the model finds for their captions, and the captions for their pictures.
    /// </summary>
    private static List<RetrievalExample> ExamplesOf(
        RunData data, Gallery gallery, string model, int resolution, Features images, Features captions, RetrievalRanks ranks)
    {
        var examples = new List<RetrievalExample>();
        for (var e = 0; e < Math.Min(Examples, captions.Count); e++)
        {
            var caption = e * captions.Count / Examples;
            var image = gallery.ImageOfCaption[caption];
            var (sample, pictures) = (gallery.Images[image], Retrieval.Nearest(captions[caption], images, ResultsPerExample));
            examples.Add(new RetrievalExample(
                model, "text_to_image", Caption(caption), Picture(sample), ranks.OfCaptions[caption] + 1,
                [.. pictures.Select(n => Item(gallery.Images[n.Index], n.Cosine, n.Index == image))]));
            examples.Add(new RetrievalExample(
                model, "image_to_text", Caption(sample), Picture(sample), ranks.OfImages[image] + 1,
                [.. Retrieval.Nearest(images[image], captions, ResultsPerExample)
                    .Select(n => Item(n.Index, n.Cosine, gallery.ImageOfCaption[n.Index] == image))]));
        }
        return examples;

        RetrievedItem Item(int position, float cosine, bool correct) => new(Caption(position), Picture(position), cosine, correct);

        string Caption(int position) => data.Images.Caption(data.HeldOut[position]).Long;

        byte[] Picture(int position)
        {
            var planes = data.Loader.Get([data.HeldOut[position]], CancellationToken.None).Images;
            var (pixels, rgb) = (resolution * resolution, new byte[planes.Length]);
            for (var i = 0; i < pixels; i++)
                for (var channel = 0; channel < 3; channel++)
                    rgb[3 * i + channel] = planes[channel * pixels + i];
            return PngEncoder.Encode(rgb, resolution, resolution);
        }
    }
}
