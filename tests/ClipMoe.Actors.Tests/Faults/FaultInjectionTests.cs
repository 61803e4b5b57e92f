using ClipMoe.Actors.Faults;
using ClipMoe.Actors.Transport.Connections;
using ClipMoe.Model;

namespace ClipMoe.Actors.Tests.Faults;

public sealed class FaultInjectionTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("kill@mcl-1:12:gradient", FaultKind.Kill, "mcl-1", 12, WorkPhase.Gradient)]
    [InlineData("garble@base:*:copy", FaultKind.Garble, "base", null, WorkPhase.Copy)]
    public void A_fault_is_read_from_its_name(string text, FaultKind kind, string stage, int? step, WorkPhase phase) =>
        Assert.Equal(new InjectedFault(kind, stage, step, phase), InjectedFault.Parse(text));

    /// <summary>Lists of faults in scripts, and the marks of faults that happened, hold these names: they outlive the C# names.</summary>
    [Fact]
    public void Faults_are_named_as_they_were_first()
    {
        Assert.Equal(["Kill", "Stop", "Corrupt", "Garble"], Enum.GetValues<FaultKind>().Select(FaultNames<FaultKind>.Of));
        Assert.Equal(
            ["Join", "Copy", "Serve", "Features", "Normalisers", "Gradient", "Ready", "Commit", "Checkpoint", "HalfCheckpoint", "Extract",
                "Cluster", "Label", "Evaluate"],
            Enum.GetValues<WorkPhase>().Select(FaultNames<WorkPhase>.Of));
        Assert.Equal(["FlipWeight", "FlipFrame", "CloseStream"], Enum.GetValues<RequestedFault>().Select(FaultNames<RequestedFault>.Of));
    }

    [Fact]
    public void A_fault_that_happened_leaves_a_mark_with_its_name()
    {
        FaultInjection.Read("a=corrupt@base:*:COMMIT; a=corrupt@base:3:halfcheckpoint", "a", _folder)
            .Reach("base", 3, WorkPhase.HalfCheckpoint);
        Assert.Equal(["fault-Corrupt-base-3-HalfCheckpoint"], Directory.GetFiles(_folder).Select(f => Path.GetFileName(f)));
    }

    [Theory]
    [InlineData("kill@mcl-1:gradient")]
    [InlineData("kill@mcl-1:12:3")]
    [InlineData("kill@mcl-1:-1:gradient")]
    [InlineData("kill@mcl-1:1:lunch")]
    public void What_is_no_fault_is_refused(string text) => Assert.Throws<UserErrorException>(() => InjectedFault.Parse(text));

    [Fact]
    public void A_fault_happens_once_to_its_worker_whatever_the_step_if_none_is_named()
    {
        var faults = FaultInjection.Read("a=corrupt@base:*:commit; b=corrupt@base:3:ready", "a", _folder);
        Assert.False(faults.Reach("base", 3, WorkPhase.Ready));
        Assert.True(faults.Reach("base", 7, WorkPhase.Commit));
        Assert.False(faults.Reach("base", 8, WorkPhase.Commit));
        Assert.False(FaultInjection.Read("a=corrupt@base:*:commit", "a", _folder).Reach("base", 9, WorkPhase.Commit));
    }

    [Fact]
    public void One_frame_is_garbled_after_the_place_is_reached()
    {
        var site = new FrameSite("base", 1, 0, 1, FrameKind.Features, 0);
        var faults = FaultInjection.Read("a=garble@base:2:gradient", "a", _folder);
        Assert.Equal(FaultAction.None, faults.Frames!(site));
        faults.Reach("base", 2, WorkPhase.Gradient);
        Assert.Equal(FaultAction.FlipBit, faults.Frames!(site));
        Assert.Equal(FaultAction.None, faults.Frames!(site));
        Assert.Null(FaultInjection.Read("a=kill@base:2:gradient", "a", _folder).Frames);
    }
}
