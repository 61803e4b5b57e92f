using System.Text.Json.Serialization;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Faults;

/// <summary>A fault that is requested from outside the worker.</summary>
public enum RequestedFault
{
    /// <summary>A bit of a weight flips with the next update.</summary>
    [JsonStringEnumMemberName("FlipWeight")] FlipWeight,

    /// <summary>A bit of the next frame to another worker flips on its way.</summary>
    [JsonStringEnumMemberName("FlipFrame")] FlipFrame,

    /// <summary>The stream to another worker breaks in place of its next frame.</summary>
    [JsonStringEnumMemberName("CloseStream")] CloseStream,
}

/// <summary>
/// Faults that are ordered while a worker runs, for a soak that chooses its moments at random. An order is a file in the worker's output
/// folder; it is taken away when it is carried out.
/// </summary>
/// <param name="process">Number of the worker's process: an order is not for the one that is started after it.</param>
public sealed class FaultRequests(string output, int process)
{
    /// <summary>Environment variable that is set to 1 where workers are to take orders.</summary>
    public const string Variable = "CLIPMOE_FAULT_ORDERS";

    /// <summary>Those for this process; null when it takes none.</summary>
    public static FaultRequests? OfThisProcess(string output) =>
        Environment.GetEnvironmentVariable(Variable) == "1" ? new FaultRequests(output, Environment.ProcessId) : null;

    public void Place(RequestedFault fault) => File.WriteAllText(FileOf(fault), "");

    public bool IsOpen(RequestedFault fault) => File.Exists(FileOf(fault));

    /// <summary>Takes an order away, to carry it out or because it came to nothing.</summary>
    /// <returns>Whether it was open. Of several that try, one gets it.</returns>
    public bool Take(RequestedFault fault)
    {
        if (!IsOpen(fault)) return false;
        var taken = $"{FileOf(fault)}-taken";
        try
        {
            File.Move(FileOf(fault), taken);
        }
        catch (IOException)
        {
            return false;
        }
        File.Delete(taken);
        return true;
    }

    /// <summary>For <see cref="TransportSettings.Fault"/>.</summary>
    public FaultAction OnFrame(FrameSite site) =>
        Take(RequestedFault.FlipFrame) ? FaultAction.FlipBit : Take(RequestedFault.CloseStream) ? FaultAction.CloseStream
        : FaultAction.None;

    private string FileOf(RequestedFault fault) => Path.Combine(output, $"order-{FaultNames<RequestedFault>.Of(fault)}-{process}");
}
