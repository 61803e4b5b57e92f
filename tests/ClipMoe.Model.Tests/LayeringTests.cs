using System.Reflection;
using ClipMoe.Model.Parameters;

namespace ClipMoe.Model.Tests;

public sealed class LayeringTests
{
    [Fact]
    public void The_model_knows_no_actors()
    {
        var seen = new HashSet<string>();
        Visit(typeof(Replica).Assembly);
        Assert.Contains("TorchSharp", seen);
        Assert.DoesNotContain(seen, name => name.StartsWith("Akka", StringComparison.Ordinal)
            || name.StartsWith("ClipMoe.Actors", StringComparison.Ordinal));

        void Visit(Assembly assembly)
        {
            foreach (var name in assembly.GetReferencedAssemblies()
                .Where(n => seen.Add(n.Name!) && !n.Name!.StartsWith("System", StringComparison.Ordinal)))
                Visit(Assembly.Load(name));
        }
    }
}
