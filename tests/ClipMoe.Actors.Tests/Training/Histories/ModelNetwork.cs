namespace ClipMoe.Actors.Tests.Training.Histories;

/// <summary>Messages that are under way. Those of one to another keep their order; which one's arrive first is open.</summary>
internal sealed class ModelNetwork(List<object> log)
{
    private sealed record Message(string From, string To, object Content, Action Deliver)
    {
        public override string ToString() => $"{From} -> {To}: {Trace.Of(Content)}";
    }

    private readonly List<((object From, object To) Way, Queue<Message> Messages)> _ways = [];

    public void Post((object Actor, string Name) from, (object Actor, string Name) to, object message, Action deliver)
    {
        var messages = _ways.FirstOrDefault(w => w.Way == (from.Actor, to.Actor)).Messages;
        if (messages is null) _ways.Add(((from.Actor, to.Actor), messages = new Queue<Message>()));
        messages.Enqueue(new Message(from.Name, to.Name, message, deliver));
    }

    /// <summary>The next message of one of the ways that have any.</summary>
    public void DeliverOne(int which)
    {
        var ways = _ways.Where(w => w.Messages.Count > 0).ToList();
        if (ways.Count > 0) Deliver(ways[which % ways.Count].Messages);
    }

    /// <summary>All that are under way, and not what is said because of them.</summary>
    /// <returns>False: there were none.</returns>
    public bool DeliverAll()
    {
        var delivered = false;
        foreach (var (messages, count) in _ways.Select(w => (w.Messages, w.Messages.Count)).ToList())
            for (var i = 0; i < count && messages.Count > 0; i++, delivered = true) Deliver(messages);
        return delivered;
    }

    public void Clear() => _ways.Clear();

    private void Deliver(Queue<Message> messages)
    {
        var message = messages.Dequeue();
        log.Add(message);
        message.Deliver();
    }
}
