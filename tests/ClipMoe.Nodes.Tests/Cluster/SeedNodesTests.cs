using ClipMoe.Model;
using ClipMoe.Nodes.Cluster;

namespace ClipMoe.Nodes.Tests.Cluster;

public sealed class SeedNodesTests
{
    [Theory]
    [InlineData("gpu7", "gpu7")]
    [InlineData("gpu[01-03,07],login", "gpu01 gpu02 gpu03 gpu07 login")]
    [InlineData("gpu-a[9-11]", "gpu-a9 gpu-a10 gpu-a11")]
    [InlineData("n[098-101]", "n098 n099 n100 n101")]
    [InlineData("a1,a2,b[1,3]-ib", "a1 a2 b1-ib b3-ib")]
    [InlineData("rack[1-2]n[01-02],x", "rack1n01 rack1n02 rack2n01 rack2n02 x")]
    public void A_slurm_list_names_its_hosts(string list, string hosts) => Assert.Equal(hosts.Split(' '), SeedNodes.ExpandSlurm(list));

    [Theory]
    [InlineData("")]
    [InlineData("gpu[]")]
    [InlineData("gpu[x-y]")]
    [InlineData("gpu[3-1]")]
    [InlineData("gpu[1-2-3]")]
    [InlineData("gpu[0-1000000]")]
    [InlineData("gpu[1-2")]
    public void A_malformed_slurm_list_is_refused_with_what_to_give_instead(string list) =>
        Assert.Contains("--seeds", Assert.Throws<UserErrorException>(() => SeedNodes.ExpandSlurm(list)).Message);

    [Fact]
    public void Given_seeds_come_before_the_slurm_job_and_that_before_this_node_alone()
    {
        Assert.Equal(["10.0.0.1:4055", "10.0.0.2:1"], SeedNodes.Find(["10.0.0.1:4055", "10.0.0.2:1"], "gpu[1-9]", "10.0.0.7", 4055));
        Assert.Equal(["gpu1:4055", "gpu2:4055", "gpu3:4055"], SeedNodes.Find([], "gpu[1-9]", "gpu4", 4055));
        Assert.Equal(["10.0.0.7:4055"], SeedNodes.Find([], null, "10.0.0.7", 4055));
    }

    [Fact]
    public void A_host_and_its_port_are_parted_at_the_last_colon()
    {
        Assert.Equal(("10.0.0.7", 4055), SeedNodes.Parse("10.0.0.7:4055"));
        Assert.Equal(("[::1]", 0), SeedNodes.Parse("[::1]:0"));
    }

    [Theory]
    [InlineData("10.0.0.7")]
    [InlineData(":4055")]
    [InlineData("host:")]
    [InlineData("host:65536")]
    [InlineData("host:-1")]
    public void What_is_no_host_and_port_is_refused_by_name(string address) =>
        Assert.Contains($"'{address}'", Assert.Throws<UserErrorException>(() => SeedNodes.Parse(address)).Message);

    [Fact]
    public void A_name_that_dns_does_not_know_is_refused_by_name() =>
        Assert.Contains("no-such-host.invalid",
            Assert.Throws<UserErrorException>(() => SeedNodes.Find(["no-such-host.invalid:1"], null, "h", 1)).Message);
}
