using ClipMoe.Actors.Files;
using ClipMoe.Actors.Stages;
using ClipMoe.Model;

namespace ClipMoe.Actors.Tests.Stages;

public sealed class RunFilesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_checkpoint_is_kept_until_the_one_after_it_can_be_in_the_journal()
    {
        var files = new RunFiles(new RunFolder(_folder), keep: 1, elsewhere: null);
        var written = Enumerable.Range(1, 3).Select(step => files.Checkpoints("base").Write(step, c => c.Json("position", step))).ToList();
        files.Check("base", 2, written[1].ManifestSha256);
        files.Check("base", 3, written[2].ManifestSha256);
        Assert.Throws<UserErrorException>(() => files.Check("base", 1, written[0].ManifestSha256));
    }
}
