using ClipMoe.Model.Files;

namespace ClipMoe.Model.Tests.Files;

public sealed class AtomicFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_written_file_replaces_the_old_one_and_leaves_nothing_beside_it()
    {
        var path = Path.Combine(_folder, "new", "a.txt");
        AtomicFile.WriteAllText(path, "old");
        AtomicFile.WriteAllText(path, "new");
        Assert.Equal("new", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(Path.GetDirectoryName(path)!));
    }

    [Fact]
    public void A_failed_write_leaves_the_old_file_and_nothing_beside_it()
    {
        var path = Path.Combine(_folder, "a.txt");
        AtomicFile.WriteAllText(path, "old");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, stream =>
        {
            stream.Write("half"u8);
            throw new InvalidOperationException();
        }));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(_folder));
    }

    [Fact]
    public void Nothing_is_visible_before_the_commit()
    {
        var path = Path.Combine(_folder, "a.txt");
        using (var file = AtomicFile.Create(path))
        {
            file.Stream.Write("half"u8);
            file.Stream.Flush();
            Assert.False(File.Exists(path));
        }

        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public void A_full_disk_is_named_and_the_old_file_kept()
    {
        if (!File.Exists("/dev/full")) return;
        var path = Path.Combine(_folder, "a.txt");
        AtomicFile.WriteAllText(path, "old");
        var error = Assert.Throws<FileWriteException>(() => AtomicFile.Write(path, _ =>
        {
            using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            full.Write("x"u8);
        }));
        Assert.Equal(
            $"{path} could not be written: the disk of {_folder} is full; free some space and run again, what was already written is kept.",
            error.Message);
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(_folder));
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_a_sentence()
    {
        var file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "");
        var error = Assert.Throws<FileWriteException>(() => AtomicFile.WriteAllText(Path.Combine(file, "below"), "x"));
        Assert.StartsWith($"{file}/below could not be written: ", error.Message);
    }
}
