using System.Buffers.Binary;
using ClipMoe.Actors.Experiments;
using ClipMoe.Model.Metrics;
using ClipMoe.Nodes.Dashboard.TensorBoard;
using Tensorboard;

namespace ClipMoe.Nodes.Tests.Dashboard.TensorBoard;

/// <summary>Reads event files back, with the field numbers of TensorBoard's own definitions.</summary>
public sealed class TensorBoardLogTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ScalarsOfEachTrainingStageAreARunOfTheirOwn()
    {
        using (var log = new TensorBoardLog(_folder.Path))
        {
            Train(log, "base", from: 0, to: 3);
            log.Write(new StageStartedEvent("extract-1", null, 0));
            log.Write(new StageProgress("extract-1", 1, 2, null, null, 500, 1));
            log.Write(new StageCompletedEvent("extract-1", new StageResult(null, null, 1)));
            Train(log, "mcl-1", from: 0, to: 300);
        }

        Assert.Equal(["base", "mcl-1"], Directory.GetDirectories(_folder.Path).Select(Path.GetFileName).Order());
        var events = Read("mcl-1");
        Assert.Equal("brain.Event:2", events[0].Text(Event.FileVersionFieldNumber));
        var session = events[1].Message(Event.SessionLogFieldNumber)!;
        Assert.Equal((ulong)SessionLog.Types.SessionStatus.Start, session.Number(SessionLog.StatusFieldNumber));
        Assert.Equal(Enumerable.Range(0, 300).Select(s => (ulong)s), events.Skip(2).Select(e => e.Number(Event.StepFieldNumber)));
        Assert.All(events.Skip(2), e => Assert.Equal(["loss", "gradient_norm", "images_per_second"], Scalars(e).Select(s => s.Tag)));
        Assert.Equal([299.5f, 0.25f, 1000f], Scalars(events[^1]).Select(s => s.Value));
        var (tag, histogram) = Assert.Single(Histograms(events[^1]));
        Assert.Equal("load", tag);
        Assert.Equal(4, Number(histogram, HistogramProto.NumFieldNumber));
        Assert.Equal(3, Number(histogram, HistogramProto.SumFieldNumber));
        Assert.Equal([0.5, 1.5, 2.5], histogram.Doubles(HistogramProto.BucketLimitFieldNumber));
        Assert.Equal([2, 1, 1], histogram.Doubles(HistogramProto.BucketFieldNumber));
        Assert.InRange(BitConverter.UInt64BitsToDouble(events[^1].Number(Event.WallTimeFieldNumber)), 1.7e9, 1e10);
    }

    [Fact]
    public void StageThatGoesOnForgetsWhatWasLostWithItsLastCheckpoint()
    {
        using (var log = new TensorBoardLog(_folder.Path)) Train(log, "base", from: 0, to: 15);
        using (var log = new TensorBoardLog(_folder.Path)) Train(log, "base", from: 10, to: 20);

        var session = Read("base").Last(e => e.Message(Event.SessionLogFieldNumber) is not null);
        Assert.Equal(10UL, session.Number(Event.StepFieldNumber));
    }

    [Fact]
    public void WhereNothingCanBeWrittenTheRunGoesOn()
    {
        var file = Path.Combine(_folder.Path, "file");
        File.WriteAllText(file, "");
        using var log = new TensorBoardLog(file);

        Train(log, "base", from: 0, to: 2);

        Assert.Empty(File.ReadAllBytes(file));
    }

    private static void Train(TensorBoardLog log, string stage, int from, int to)
    {
        log.Write(new StageStartedEvent(stage, to, from));
        for (var step = from; step < to; step++)
        {
            log.Write(new StageProgress(stage, step + 1, to, step + 0.5, 1e-3, 1000, 1)
            {
                Metrics =
                [
                    new MetricValue(new Metric("loss", MetricKind.Sum), [step + 0.5]),
                    new MetricValue(new Metric("gradient_norm", MetricKind.Norm), [0.25]),
                    new MetricValue(new Metric("load", MetricKind.Histogram, Bins: 3), [2, 1, 1]),
                ],
            });
        }
        log.Write(new StageCompletedEvent(stage, new StageResult(null, null, 1) { Steps = to }));
    }

    private static IEnumerable<(string Tag, float Value)> Scalars(ProtoMessage e) =>
        Values(e).Where(v => v.Message(Summary.Types.Value.HistoFieldNumber) is null).Select(v => (
            v.Text(Summary.Types.Value.TagFieldNumber),
            BitConverter.UInt32BitsToSingle((uint)v.Number(Summary.Types.Value.SimpleValueFieldNumber))));

    private static IEnumerable<(string Tag, ProtoMessage Histogram)> Histograms(ProtoMessage e) =>
        from value in Values(e)
        let histogram = value.Message(Summary.Types.Value.HistoFieldNumber)
        where histogram is not null
        select (value.Text(Summary.Types.Value.TagFieldNumber), histogram);

    private static IEnumerable<ProtoMessage> Values(ProtoMessage e) =>
        e.Message(Event.SummaryFieldNumber)!.Messages(Summary.ValueFieldNumber);

    private static double Number(ProtoMessage message, int field) => BitConverter.UInt64BitsToDouble(message.Number(field));

    private List<ProtoMessage> Read(string stage)
    {
        var events = new List<ProtoMessage>();
        foreach (var file in Directory.GetFiles(Path.Combine(_folder.Path, stage)).Order())
        {
            Assert.StartsWith("events.out.tfevents.", Path.GetFileName(file));
            for (ReadOnlySpan<byte> rest = File.ReadAllBytes(file); rest.Length > 0;)
            {
                var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(rest);
                Assert.Equal(MaskedCrc(rest[..8]), BinaryPrimitives.ReadUInt32LittleEndian(rest[8..]));
                Assert.Equal(MaskedCrc(rest.Slice(12, length)), BinaryPrimitives.ReadUInt32LittleEndian(rest[(12 + length)..]));
                events.Add(new ProtoMessage(rest.Slice(12, length)));
                rest = rest[(16 + length)..];
            }
        }
        return events;
    }

    /// <summary>As TFRecord defines it, bit by bit.</summary>
    private static uint MaskedCrc(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82F63B78 : crc >> 1;
        }
        crc = ~crc;
        return (crc >> 15 | crc << 17) + 0xa282ead8;
    }
}
