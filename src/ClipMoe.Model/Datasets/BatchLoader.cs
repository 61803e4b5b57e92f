namespace ClipMoe.Model.Datasets;

/// <summary>Turns an image file into pixels [3, R, R]. Called from several threads at once.</summary>
/// <exception cref="BadSampleException">It can't be decoded.</exception>
public delegate void ImagePreparation(ReadOnlyMemory<byte> file, Span<byte> pixels);

/// <param name="Images">u8 [n, 3, R, R]</param>
/// <param name="Captions">[n]</param>
public sealed record CaptionedBatch(byte[] Images, Caption[] Captions);

/// <param name="ResidentBytes">A data set whose pixels fit in is decoded once and then kept.</param>
/// <param name="AheadBytes">Of a larger one, so many bytes of pixels are decoded before they are asked for.</param>
/// <param name="Threads">Threads that decode; default: one for each core.</param>
public sealed record LoaderLimits(long ResidentBytes = 1L << 30, long AheadBytes = 256L << 20, int? Threads = null);

/// <summary>
/// Decodes ahead of training. A consumer announces the samples that it will need, in order, and later gets them; what is not ready by then
/// it decodes itself, together with the loader's threads, so that no order of calls can block for ever. Several consumers may share one
/// loader. What comes back does not depend on any of this.
/// </summary>
public sealed class BatchLoader : IDisposable
{
    private enum State { Waiting, Decoding, Ready, Failed }

    /// <summary>
    /// One sample on its way: claimed once for each announcement; some of the claims are taken by a <see cref="Get"/> in progress.
    /// </summary>
    private sealed class Slot(int index, long number)
    {
        public int Index { get; } = index;
        /// <summary>Counts up from one announcement to the next.</summary>
        public long Number { get; } = number;
        public State State { get; set; }
        public int Claims { get; set; }
        public int Taken { get; set; }
        public byte[] Pixels { get; set; } = [];
        public Caption Caption { get; set; }
        public Exception? Failure { get; set; }
    }

    private readonly ICaptionedImages _data;
    private readonly ImagePreparation _prepare;
    private readonly int _imageBytes;
    private readonly bool _resident;
    private readonly int _maxAhead;
    private readonly Thread[] _threads;

    private readonly object _gate = new();
    private readonly Dictionary<int, Slot> _slots = [];
    private readonly Queue<Slot> _announced = new();
    private readonly Stack<byte[]> _free = new();
    private int _decoded;
    private long _announcements;
    private bool _disposed;

    public BatchLoader(ICaptionedImages data, int resolution, ImagePreparation prepare, LoaderLimits limits)
    {
        _data = data;
        _prepare = prepare;
        _imageBytes = checked(3 * resolution * resolution);
        _resident = (long)data.Count * _imageBytes <= limits.ResidentBytes;
        _maxAhead = (int)Math.Clamp(limits.AheadBytes / _imageBytes, 1, int.MaxValue);
        _threads = new Thread[limits.Threads ?? Environment.ProcessorCount];
        for (var t = 0; t < _threads.Length; t++)
        {
            _threads[t] = new Thread(DecodeAhead) { IsBackground = true, Name = $"images {t}" };
            _threads[t].Start();
        }
    }

    /// <summary>Samples that will be asked for, each once for every time it is named here, after those announced before.</summary>
    public void Prefetch(ReadOnlySpan<int> indices)
    {
        lock (_gate)
        {
            foreach (var index in indices)
                Claim(index);
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>The samples in the order asked for; waits until they are there.</summary>
    /// <exception cref="UserErrorException">A sample that the scan could read can't be read. After any exception the loader is of no
    /// use.</exception>
    public CaptionedBatch Get(ReadOnlySpan<int> indices, CancellationToken cancellation)
    {
        var slots = new Slot[indices.Length];
        lock (_gate)
        {
            for (var i = 0; i < slots.Length; i++)
                slots[i] = Take(indices[i]);
            DropForgotten(slots);
            Monitor.PulseAll(_gate);
        }

        foreach (var slot in slots)
        {
            bool started;
            lock (_gate)
                started = TryStart(slot);
            if (started)
                Decode(slot);
        }

        var batch = new CaptionedBatch(GC.AllocateUninitializedArray<byte>(checked(slots.Length * _imageBytes)), new Caption[slots.Length]);
        using var wakeUp = cancellation.Register(WakeAll);
        lock (_gate)
        {
            for (var i = 0; i < slots.Length; i++)
            {
                var slot = slots[i];
                while (slot.State == State.Decoding)
                {
                    cancellation.ThrowIfCancellationRequested();
                    ObjectDisposedException.ThrowIf(_disposed, this);
                    Monitor.Wait(_gate);
                }

                if (slot.Failure is not null)
                    throw Failed(slot);
                slot.Pixels.AsSpan(0, _imageBytes).CopyTo(batch.Images.AsSpan(i * _imageBytes));
                batch.Captions[i] = slot.Caption;
                Release(slot);
            }

            Monitor.PulseAll(_gate);
        }

        return batch;
    }

    /// <summary>Stops the threads and waits for them.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            Monitor.PulseAll(_gate);
        }

        foreach (var thread in _threads)
            thread.Join();
    }

    /// <summary>Takes an announced claim, or makes one.</summary>
    private Slot Take(int index)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!_slots.TryGetValue(index, out var slot) || slot.Claims == slot.Taken)
            slot = Claim(index);
        slot.Taken++;
        return slot;
    }

    private Slot Claim(int index)
    {
        if (!_slots.TryGetValue(index, out var slot))
        {
            _slots[index] = slot = new Slot(index, _announcements++);
            _announced.Enqueue(slot);
        }

        slot.Claims++;
        return slot;
    }

    /// <summary>
    /// When a sample that is asked for was not begun because the memory is full, it is full of what was announced before and never fetched
    /// (by a stage that was broken off, for instance). If one of those is fetched all the same, it is decoded again.
    /// </summary>
    private void DropForgotten(Slot[] wanted)
    {
        if (_resident || _decoded < _maxAhead || wanted.FirstOrDefault(s => s.State == State.Waiting) is not { } first)
            return;
        foreach (var slot in _slots.Values.Where(s => s.State == State.Ready && s.Taken == 0 && s.Number < first.Number).ToList())
            Remove(slot);
    }

    private void Release(Slot slot)
    {
        slot.Taken--;
        if (--slot.Claims == 0 && !_resident)
            Remove(slot);
    }

    private void Remove(Slot slot)
    {
        _slots.Remove(slot.Index);
        _free.Push(slot.Pixels);
        _decoded--;
    }

    private void DecodeAhead()
    {
        while (true)
        {
            Slot? slot;
            bool started;
            lock (_gate)
            {
                while (!_disposed && (_announced.Count == 0 || (!_resident && _decoded >= _maxAhead)))
                    Monitor.Wait(_gate);
                if (_disposed)
                    return;
                slot = _announced.Dequeue();
                started = TryStart(slot);
            }

            if (started)
                Decode(slot);
        }
    }

    /// <summary>Within the lock: true when no other thread decodes the slot, or has done so.</summary>
    private bool TryStart(Slot slot)
    {
        if (slot.State != State.Waiting)
            return false;
        slot.State = State.Decoding;
        slot.Pixels = _free.TryPop(out var pixels) ? pixels : GC.AllocateUninitializedArray<byte>(_imageBytes);
        _decoded++;
        return true;
    }

    private void Decode(Slot slot)
    {
        Exception? failure = null;
        try
        {
            slot.Caption = _data.Caption(slot.Index);
            _prepare(_data.ReadImage(slot.Index), slot.Pixels);
        }
        catch (Exception e)
        {
            failure = e;
        }

        lock (_gate)
        {
            slot.Failure = failure;
            slot.State = failure is null ? State.Ready : State.Failed;
            Monitor.PulseAll(_gate);
        }
    }

    private Exception Failed(Slot slot) => slot.Failure is BadSampleException bad
        ? new UserErrorException(
            $"The sample {_data.Key(slot.Index)} of {_data.Name} can't be read any more ({bad.Message}), though it could when the data " +
            $"set was " +
            "scanned: put it back as it was and resume.", bad)
        : new InvalidOperationException($"The sample {_data.Key(slot.Index)} of {_data.Name} could not be decoded.", slot.Failure);

    private void WakeAll()
    {
        lock (_gate)
            Monitor.PulseAll(_gate);
    }
}
