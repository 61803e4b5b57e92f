using ClipMoe.Actors.Protocol;
using ClipMoe.Actors.Training;
using ClipMoe.Actors.Transport.Connections;

namespace ClipMoe.Actors.Tests.Training;

public sealed class MemberDirectoryTests
{
    private readonly MemberDirectory _directory = new();

    private static GenerationMember Member(int worker) => new(worker, new BulkEndpoint($"host-{worker}", 4055));

    private static OpenGeneration Open(int[] members, params int[] introduced) =>
        new("mcl-1", 1, 0, MemberDirectory.Ranges(members), MemberDirectory.Pack([.. introduced.Select(Member)]),
            new LeafRange(0, 1), 0, CatchUp.InPlace, []);

    [Fact]
    public void Members_that_were_introduced_once_need_only_be_named()
    {
        int[] first = [1, 2, 3, 7, 8];
        Assert.Equal(first.Select(Member), _directory.MembersOf(Open(first, first)));
        int[] second = [1, 3, 7, 8, 9];
        Assert.Equal(second.Select(Member), _directory.MembersOf(Open(second, 9)));
    }

    [Fact]
    public void A_member_that_stayed_out_for_a_generation_is_still_known()
    {
        _directory.MembersOf(Open([1, 2, 3], 1, 2, 3));
        _directory.MembersOf(Open([1, 3]));
        Assert.Equal([Member(1), Member(2)], _directory.MembersOf(Open([1, 2])));
    }

    [Fact]
    public void A_stranger_is_not_guessed_at() => Assert.Throws<KeyNotFoundException>(() => _directory.MembersOf(Open([1, 2], 1)));

    [Theory]
    [InlineData(new int[] { }, 0)]
    [InlineData(new[] { 5 }, 1)]
    [InlineData(new[] { 1, 2, 3, 4 }, 1)]
    [InlineData(new[] { 1, 2, 4, 5, 9 }, 3)]
    public void A_list_of_members_has_a_range_for_each_run(int[] workers, int ranges) =>
    Assert.Equal(ranges, MemberDirectory.Ranges(workers).Count);
}
