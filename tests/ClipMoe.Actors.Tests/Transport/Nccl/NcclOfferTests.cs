using System.Text;
using ClipMoe.Actors.Transport.Nccl;

namespace ClipMoe.Actors.Tests.Transport.Nccl;

public sealed class NcclOfferTests
{
    private static NcclOffer Gpu(string gpu, int version = 22703) => new(null, version, gpu);

    [Fact]
    public void Members_on_GPUs_of_their_own_with_the_same_version_use_it() =>
    Assert.Null(NcclOffer.WhyNot([Gpu("a"), Gpu("b"), Gpu("c")]));

    [Fact]
    public void One_that_cannot_is_enough_not_to()
    {
        Assert.Equal("rank 1 computes on a processor", NcclOffer.WhyNot([Gpu("a"), NcclOffer.Processor, Gpu("c")]));
        Assert.Equal("rank 0 is broken", NcclOffer.WhyNot([NcclOffer.None("is broken"), Gpu("b", 22801)]));
    }

    [Fact]
    public void Other_versions_do_not_talk_to_each_other() =>
        Assert.Equal("rank 0 has version 22703 of it, rank 2 22801", NcclOffer.WhyNot([Gpu("a"), Gpu("b"), Gpu("c", 22801)]));

    [Fact]
    public void Two_ranks_on_one_GPU_are_none_for_it() =>
    Assert.Equal("ranks 0 and 2 share a GPU", NcclOffer.WhyNot([Gpu("a"), Gpu("b"), Gpu("a")]));

    [Fact]
    public void Offers_travel()
    {
        Assert.All([Gpu("a"), NcclOffer.Processor], o => Assert.Equal(o, NcclOffer.Decode(o.Encode())));
        Assert.All(["", "null", "[1]"], text => Assert.Throws<InvalidDataException>(() => NcclOffer.Decode(Encoding.UTF8.GetBytes(text))));
    }
}
