using System.Collections.Concurrent;
using ClipMoe.Model.Datasets;

namespace ClipMoe.Model.Tests.Datasets;

public sealed class BatchLoaderTests
{
    private const int Resolution = 4, ImageBytes = 3 * Resolution * Resolution;

    [Theory]
    [InlineData(1L << 30, 1L << 20, 1), InlineData(1L << 30, 1L << 20, 8)]
    [InlineData(0, 1, 1), InlineData(0, 5 * ImageBytes, 3), InlineData(0, 1L << 20, 8)]
    public void Batches_are_the_same_whatever_the_threads_and_the_memory(long residentBytes, long aheadBytes, int threads)
    {
        using var data = new MemoryDataset(50);
        var order = new Random(1);
        var batches = Enumerable.Range(0, 40).Select(_ => Enumerable.Range(0, 16).Select(_ => order.Next(50)).ToArray()).ToArray();
        using var loader = new BatchLoader(data, Resolution, MemoryDataset.Prepare, new LoaderLimits(residentBytes, aheadBytes, threads));

        for (var b = 0; b < batches.Length; b++)
        {
            // Every third batch comes unannounced; the others are announced up to two batches before.
            if (b % 3 == 0 && b + 2 < batches.Length)
            {
                loader.Prefetch(batches[b + 1]);
                loader.Prefetch(batches[b + 2]);
            }

            var batch = loader.Get(batches[b], CancellationToken.None);
            Assert.Equal(Expected(data, batches[b]), batch.Images);
            Assert.Equal(batches[b].Select(data.Caption), batch.Captions);
        }
    }

    [Fact]
    public void A_data_set_that_fits_is_decoded_once()
    {
        using var data = new MemoryDataset(20);
        var decoded = 0;
        using var loader = new BatchLoader(data, Resolution, Counting, new LoaderLimits());
        var all = Enumerable.Range(0, 20).ToArray();
        for (var epoch = 0; epoch < 5; epoch++)
        {
            loader.Prefetch(all);
            loader.Get(all, CancellationToken.None);
        }

        Assert.Equal(20, decoded);

        void Counting(ReadOnlyMemory<byte> file, Span<byte> pixels)
        {
            Interlocked.Increment(ref decoded);
            MemoryDataset.Prepare(file, pixels);
        }
    }

    [Fact]
    public void No_more_than_the_limit_is_decoded_ahead()
    {
        const int limit = 6;
        using var data = new MemoryDataset(1000);
        var decoded = 0;
        var consumed = 0;
        var excess = 0;
        using var loader = new BatchLoader(data, Resolution, Counting, new LoaderLimits(0, limit * ImageBytes, 4));
        var all = Enumerable.Range(0, 1000).ToArray();
        loader.Prefetch(all);
        for (var i = 0; i < all.Length; i += 4)
        {
            loader.Get(all.AsSpan(i, 4), CancellationToken.None);
            Interlocked.Add(ref consumed, 4);
        }

        // The four that the consumer asks for may come on top, and this test counts the four before them late.
        Assert.InRange(excess, 0, 4 + 4);

        void Counting(ReadOnlyMemory<byte> file, Span<byte> pixels)
        {
            var ahead = Interlocked.Increment(ref decoded) - Volatile.Read(ref consumed) - limit;
            InterlockedMax(ref excess, ahead);
            MemoryDataset.Prepare(file, pixels);
        }
    }

    [Fact]
    public void Samples_announced_and_never_fetched_do_not_stop_decoding_ahead()
    {
        using var data = new MemoryDataset(100);
        using var fullOfForgotten = new CountdownEvent(8);
        using var aheadAgain = new ManualResetEventSlim();
        using var loader = new BatchLoader(data, Resolution, Signalling, new LoaderLimits(0, 8 * ImageBytes, 1));
        loader.Prefetch(Enumerable.Range(0, 8).ToArray());
        fullOfForgotten.Wait();

        loader.Prefetch([50, 51, 60]);
        Assert.Equal(Expected(data, [50, 51]), loader.Get([50, 51], CancellationToken.None).Images);

        Assert.True(aheadAgain.Wait(TimeSpan.FromSeconds(30)), "sample 60 was never decoded ahead");
        Assert.Equal(Expected(data, [3]), loader.Get([3], CancellationToken.None).Images);

        void Signalling(ReadOnlyMemory<byte> file, Span<byte> pixels)
        {
            MemoryDataset.Prepare(file, pixels);
            if (!fullOfForgotten.IsSet)
                fullOfForgotten.Signal();
            if (file.Span.SequenceEqual("60"u8))
                aheadAgain.Set();
        }
    }

    [Fact]
    public void Several_consumers_share_one_loader()
    {
        using var data = new MemoryDataset(400);
        using var loader = new BatchLoader(data, Resolution, MemoryDataset.Prepare, new LoaderLimits(0, 10 * ImageBytes, 2));
        var failures = new ConcurrentBag<Exception>();
        var consumers = Enumerable.Range(0, 4).Select(c => new Thread(() => failures.Add(Record.Exception(() => Consume(c))))).ToList();
        consumers.ForEach(c => c.Start());
        consumers.ForEach(c => c.Join());
        Assert.All(failures, Assert.Null);

        void Consume(int consumer)
        {
            var mine = Enumerable.Range(0, 400).Where(i => i % 3 != consumer).ToArray();
            loader.Prefetch(mine);
            foreach (var chunk in mine.Chunk(7))
                Assert.Equal(Expected(data, chunk), loader.Get(chunk, CancellationToken.None).Images);
        }
    }

    [Fact]
    public void A_sample_that_has_gone_bad_since_the_scan_is_named()
    {
        using var data = new MemoryDataset(10) { Bad = { 7 } };
        using var loader = new BatchLoader(data, Resolution, MemoryDataset.Prepare, new LoaderLimits());
        loader.Prefetch([1, 7]);
        var message = Assert.Throws<UserErrorException>(() => loader.Get([1, 7], CancellationToken.None)).Message;
        Assert.Contains("The sample 7 of memory can't be read any more (missing image file)", message);
    }

    [Fact]
    public void Waiting_ends_when_cancelled()
    {
        using var data = new MemoryDataset(10);
        using var started = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        using var cancellation = new CancellationTokenSource();
        using var loader = new BatchLoader(data, Resolution, Blocking, new LoaderLimits(Threads: 1));
        loader.Prefetch([3]);
        started.Wait();
        var canceller = new Thread(cancellation.Cancel);
        canceller.Start();
        Assert.ThrowsAny<OperationCanceledException>(() => loader.Get([3], cancellation.Token));
        canceller.Join();
        release.Set();

        void Blocking(ReadOnlyMemory<byte> file, Span<byte> pixels)
        {
            started.Set();
            release.Wait();
        }
    }

    private static byte[] Expected(MemoryDataset data, int[] indices)
    {
        var pixels = new byte[indices.Length * ImageBytes];
        for (var i = 0; i < indices.Length; i++)
            MemoryDataset.Prepare(data.ReadImage(indices[i]), pixels.AsSpan(i * ImageBytes, ImageBytes));
        return pixels;
    }

    private static void InterlockedMax(ref int target, int value)
    {
        for (var seen = Volatile.Read(ref target); value > seen; seen = Volatile.Read(ref target))
            Interlocked.CompareExchange(ref target, value, seen);
    }
}
