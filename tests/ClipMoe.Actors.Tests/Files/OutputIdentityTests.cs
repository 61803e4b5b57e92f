using ClipMoe.Actors.Files;

namespace ClipMoe.Actors.Tests.Files;

public sealed class OutputIdentityTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("clipmoe-output-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void All_that_reach_a_folder_call_it_the_same_however_many_come_first()
    {
        var folder = Path.Combine(_root, "out");
        using var start = new Barrier(8);
        var threads = new Thread[8];
        var names = new string[8];
        for (var i = 0; i < threads.Length; i++)
        {
            var n = i;
            (threads[n] = new Thread(() =>
            {
                start.SignalAndWait();
                names[n] = OutputIdentity.ReadOrCreate(folder);
            })).Start();
        }
        foreach (var thread in threads) thread.Join();
        Directory.CreateSymbolicLink(Path.Combine(_root, "mounted"), folder);
        Assert.Equal(names[0], Assert.Single(names.Append(OutputIdentity.ReadOrCreate(Path.Combine(_root, "mounted"))).Distinct()));
        Assert.Single(Directory.EnumerateFileSystemEntries(folder));
    }

    [Fact]
    public void Other_folders_are_called_otherwise() =>
        Assert.NotEqual(OutputIdentity.ReadOrCreate(Path.Combine(_root, "a")), OutputIdentity.ReadOrCreate(Path.Combine(_root, "b")));
}
