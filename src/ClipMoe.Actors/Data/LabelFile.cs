using ClipMoe.Actors.Experiments;
using ClipMoe.Actors.Protocol;
using ClipMoe.Model.Checkpoints;
using ClipMoe.Model.Sampling;

namespace ClipMoe.Actors.Data;

/// <summary>The accumulated pseudo labels of all training samples, by position in the training set.</summary>
public static class LabelFile
{
    private const string Labels = "labels";

    /// <summary>Adds one stage's clusters to the labels of the stages before it, and writes the result.</summary>
    /// <param name="previous">Label file of the stage before; null in the first.</param>
    /// <param name="clusterFiles">Files with <c>image</c> and <c>text</c> clusters, in the order of the samples.</param>
    /// <returns>The file, and the number of samples of each of this stage's joint clusters, largest first.</returns>
    public static (WrittenFile File, IReadOnlyList<int> JointSizes) Accumulate(
        Workspace workspace, string stage, string? previous, IReadOnlyList<string> clusterFiles)
    {
        var clusters = workspace.Experiment.Mcl.Clusters;
        var joint = new List<int>(workspace.Data.Train.Length);
        foreach (var file in clusterFiles)
        {
            using var tensors = TensorFile.Open(workspace.Folder.Absolute(file));
            joint.AddRange(PseudoLabels.Joint(HostTensors.Read<int>(tensors, "text"), HostTensors.Read<int>(tensors, "image"), clusters));
        }
        var before = previous is null ? PseudoLabels.None(joint.Count, clusters) : Read(workspace, previous);
        var labels = before.Accumulate(joint.ToArray());
        var values = new long[labels.Count];
        for (var i = 0; i < values.Length; i++) values[i] = labels[i];
        var path = RunFolder.LabelsFile(stage);
        var sha256 = HostTensors.Write(
            workspace.Folder.Absolute(path), [(Labels, [values.Length], values)],
            new Dictionary<string, string> { ["clusters"] = $"{clusters}", ["stages"] = $"{labels.Stages}" });
        var sizes = joint.CountBy(j => j).Select(c => c.Value).OrderDescending().ToList();
        return (new WrittenFile(path, sha256), sizes);
    }

    public static PseudoLabels Read(Workspace workspace, string file)
    {
        using var tensors = TensorFile.Open(workspace.Folder.Absolute(file));
        return PseudoLabels.FromAccumulated(
            HostTensors.Read<long>(tensors, Labels), int.Parse(tensors.Metadata["clusters"]), int.Parse(tensors.Metadata["stages"]));
    }
}
