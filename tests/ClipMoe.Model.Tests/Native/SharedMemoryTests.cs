using ClipMoe.Model.Native;
using ClipMoe.Model.Tensors;
using Microsoft.Win32.SafeHandles;
using TorchSharp;

namespace ClipMoe.Model.Tests.Native;

[Collection(TorchCollection.Name)]
public sealed class SharedMemoryTests
{
    [Fact]
    public void A_process_that_opens_it_sees_what_is_written_and_cannot_change_its_size()
    {
        using var memory = SharedMemory.Create(1000);
        using var other = SharedMemory.Open(Again(memory), 1000);
        memory.Memory.Span[999] = 3;
        Assert.Equal(3, other.Memory.Span[999]);
        Assert.ThrowsAny<Exception>(() => RandomAccess.SetLength(memory.File, 0));
        Assert.Same(memory, SharedMemory.Find(memory.Memory));
        Assert.Null(SharedMemory.Find(memory.Memory[1..]));
        Assert.Null(SharedMemory.Find(new float[1000]));
    }

    [Theory]
    [InlineData(999)]
    [InlineData(1001)]
    [InlineData(1_000_000_000)]
    public void A_file_of_another_size_is_refused(int length)
    {
        using var memory = SharedMemory.Create(1000);
        Assert.Throws<InvalidDataException>(() => SharedMemory.Open(Again(memory), length));
    }

    [Fact]
    public void A_file_that_can_shrink_is_refused()
    {
        var path = Path.GetTempFileName();
        File.WriteAllBytes(path, new byte[4000]);
        Assert.Throws<InvalidDataException>(() => SharedMemory.Open(File.OpenHandle(path), 1000));
        File.Delete(path);
    }

    [Fact]
    public void A_shared_buffer_is_the_tensors_memory_too()
    {
        using var buffer = new FlatBuffer(1000, torch.ScalarType.Float32, torch.CPU, shared: true);
        Assert.All(buffer.Host.ToArray(), v => Assert.Equal(0, v));
        buffer.Host.Span[7] = 2;
        buffer.Tensor.add_(1);
        Assert.Equal(3, buffer.Host.Span[7]);
        Assert.Equal(1, buffer.Tensor[999].item<float>());
        Assert.NotNull(SharedMemory.Find(buffer.Host));
    }

    private static SafeFileHandle Again(SharedMemory memory) =>
        File.OpenHandle($"/proc/self/fd/{memory.File.DangerousGetHandle()}", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
}
