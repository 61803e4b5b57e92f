using System.Globalization;
using ClipMoe.Model;
using ClipMoe.Model.Native;
using ClipMoe.Nodes.Runs;
using TorchSharp;

namespace ClipMoe.Nodes.Cluster;

/// <summary>The devices of a node, each of which gets a worker process.</summary>
internal static class WorkerDevices
{
    private const int Most = 256;

    /// <param name="list"><c>cpu</c>, <c>cuda:0,cuda:1</c>, <c>all</c>; <c>cpu*4</c> for four workers.</param>
    /// <exception cref="UserErrorException">A device has another form.</exception>
    public static IReadOnlyList<string> Parse(string list)
    {
        if (list == "all")
        {
            LibTorch.EnsureLoaded();
            return LibTorch.CudaAvailable ? [.. Enumerable.Range(0, torch.cuda.device_count()).Select(n => $"cuda:{n}")] : ["cpu"];
        }
        var devices = new List<string>();
        foreach (var entry in list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var (name, count) = entry.Split('*') is [var device, var times]
                ? (device, int.TryParse(times, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 0) : (entry, 1);
            var known = name == "cpu" || (name.StartsWith("cuda:", StringComparison.Ordinal)
                && int.TryParse(name[5..], NumberStyles.None, CultureInfo.InvariantCulture, out _));
            if (!known || count is < 1 or > Most)
                throw new UserErrorException($"--devices {entry}: give all, or a list of cpu, cuda:N, cpu*COUNT, cuda:N*COUNT.");
            devices.AddRange(Enumerable.Repeat(name, count));
        }
        return devices.Count > 0 ? devices : throw new UserErrorException("--devices names no device: give cpu, cuda:0, or all.");
    }

    /// <summary>The processor's cores shared out, after one that is kept for heartbeats and sockets.</summary>
    public static int ThreadsFor(IReadOnlyList<string> devices) => LocalResources.ThreadsOfEnvironment
        ?? Math.Max(1, (Environment.ProcessorCount - 1) / Math.Max(1, devices.Count));
}
