namespace ClipMoe.Model.Clustering;

/// <summary>Keeps the farthest of the rows offered, the earlier one at equal distance.</summary>
internal sealed class FarthestRows(int limit)
{
    // The nearest of those kept comes out first; of equally near ones the latest row.
    private readonly PriorityQueue<FarPoint, (float Distance, int LaterRow)> _kept = new(limit + 1);
    private float _nearest = float.NegativeInfinity;

    public void Offer(FarPoint point)
    {
        if (_kept.Count == limit && point.SquaredDistance <= _nearest) return;
        var priority = (point.SquaredDistance, -point.Row);
        if (_kept.Count < limit) _kept.Enqueue(point, priority);
        else _kept.EnqueueDequeue(point, priority);
        _nearest = _kept.Peek().SquaredDistance;
    }

    public IReadOnlyList<FarPoint> FarthestFirst() =>
        [.. _kept.UnorderedItems.Select(item => item.Element).OrderByDescending(p => p.SquaredDistance).ThenBy(p => p.Row)];
}
