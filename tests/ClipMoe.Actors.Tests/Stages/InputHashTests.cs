using ClipMoe.Actors.Stages;
using ClipMoe.Model.Files;

namespace ClipMoe.Actors.Tests.Stages;

public sealed class InputHashTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("clipmoe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_vocabulary_in_a_folder_is_both_of_its_files()
    {
        Assert.Null(InputHash.OfVocabulary(_folder));
        File.WriteAllText(Path.Combine(_folder, "vocab.json"), "{}");
        Assert.Null(InputHash.OfVocabulary(_folder));
        File.WriteAllText(Path.Combine(_folder, "merges.txt"), "a b");
        var hash = InputHash.OfVocabulary(_folder);
        Assert.NotNull(hash);
        File.WriteAllText(Path.Combine(_folder, "merges.txt"), "a c");
        Assert.NotEqual(hash, InputHash.OfVocabulary(_folder));
    }

    [Fact]
    public void What_is_not_there_has_no_hash()
    {
        Assert.Null(FileHash.Sha256OrNull(Path.Combine(_folder, "missing")));
        Assert.Null(InputHash.OfVocabulary(Path.Combine(_folder, "missing")));
    }
}
