using System.CommandLine;
using ClipMoe.Model;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Datasets;
using ClipMoe.Nodes.CommandLine;
using ClipMoe.Nodes.Commands.Inspect;

namespace ClipMoe.Nodes.Commands;

/// <summary><c>clipmoe inspect</c>: what a path holds. What it is decides which of the files in <c>Inspect/</c> describes it.</summary>
internal static class InspectCommand
{
    public static Command Build()
    {
        var path = new Argument<string>("PATH")
        {
            Description = "A checkpoint (safetensors or .pt), or a data set (folder, ShareGPT4V .json, webdataset .tar or " +
            "{000..099}.tar, .csv, .parquet).",
        };
        var json = new Option<bool>("--json") { Description = "Print JSON, for programs." };
        var tensors = new Option<bool>("--tensors") { Description = "List every tensor of a checkpoint (JSON always does)." };
        var format = new Option<DatasetFormat>("--format") { Description = "Format of a data set; default: by its name." };
        var imageRoot = new Option<string?>("--image-root")
        {
            Description =
            "Folder that the image paths in a .json, .csv or .parquet start from."
        };
        var pathColumn = new Option<string?>("--path-column") { Description = "Column of a .csv or .parquet with the images' paths." };
        var captionColumn = new Option<string?>("--caption-column") { Description = "Column of a .csv or .parquet with the captions." };
        var command = new Command(
            "inspect",
            "Shows what a file holds: architecture, parameter counts, types and provenance of a checkpoint; counts, image sizes, " +
            "caption lengths "
            + "and bad samples of a data set.\n\n"
            + "Examples:\n  clipmoe inspect ViT-B-32.pt\n  clipmoe inspect moe.safetensors --json\n  clipmoe inspect pictures\n"
            + "  clipmoe inspect captions.csv --image-root pictures --json")
        {
            path, json, tensors, format, imageRoot, pathColumn, captionColumn,
        };
        command.SetAction((result, cancellation) =>
        {
            var target = Path.GetFullPath(result.GetRequiredValue(path));
            var isDataset = DatasetReader.LooksLikeDataset(target);
            if (!File.Exists(target) && !Directory.Exists(target) && !isDataset) throw new UserErrorException($"{target} does not exist.");
            if (TensorFile.Recognizes(target))
            {
                CheckpointInspection.Print(target, result.GetValue(json), result.GetValue(tensors));
            }
            else if (isDataset || result.GetValue(format) != DatasetFormat.Auto)
            {
                var columns = new ColumnNames(result.GetValue(pathColumn), result.GetValue(captionColumn));
                using var data = DatasetReader.Open(target, result.GetValue(format), result.GetValue(imageRoot), columns);
                DatasetInspection.Print(data, result.GetValue(json), cancellation);
            }
            else
            {
                throw new UserErrorException($"{target} is no checkpoint (safetensors or .pt), and no data set that can be told by its " +
                    $"name.");
            }

            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }
}
