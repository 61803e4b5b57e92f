using ClipMoe.Model;
using ClipMoe.Nodes.Cluster;

namespace ClipMoe.Nodes.Tests.Cluster;

public sealed class WorkerDevicesTests
{
    [Theory]
    [InlineData("cpu", "cpu")]
    [InlineData("cuda:0, cuda:1", "cuda:0 cuda:1")]
    [InlineData("cpu*3,cuda:7", "cpu cpu cpu cuda:7")]
    [InlineData("cuda:0*2", "cuda:0 cuda:0")]
    public void A_list_names_one_device_for_each_worker(string list, string devices) =>
    Assert.Equal(devices.Split(' '), WorkerDevices.Parse(list));

    [Fact]
    public void All_devices_are_those_of_this_machine()
    {
        var all = WorkerDevices.Parse("all");
        Assert.NotEmpty(all);
        Assert.Equal(all, WorkerDevices.Parse(string.Join(',', all)));
    }

    [Theory]
    [InlineData("")]
    [InlineData(",")]
    [InlineData("gpu")]
    [InlineData("cuda")]
    [InlineData("cuda:")]
    [InlineData("cuda:-1")]
    [InlineData("cuda:x")]
    [InlineData("cpu*0")]
    [InlineData("cpu*")]
    [InlineData("cpu*-1")]
    [InlineData("cpu*257")]
    [InlineData("cpu*2*2")]
    public void What_is_no_device_is_refused_with_those_that_are(string list) =>
        Assert.Contains("cpu, cuda:", Assert.Throws<UserErrorException>(() => WorkerDevices.Parse(list)).Message);
}
