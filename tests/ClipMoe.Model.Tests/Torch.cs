using ClipMoe.Model.Native;
using TorchSharp;

namespace ClipMoe.Model.Tests;

/// <summary>Tests with tensors run one after another: libtorch's threads are shared, and replicas belong to one thread each.</summary>
[CollectionDefinition(Name)]
public sealed class TorchCollection : ICollectionFixture<Torch>
{
    public const string Name = "torch";
}

public sealed class Torch
{
    public Torch()
    {
        LibTorch.EnsureLoaded();
        torch.set_num_threads(1);
    }
}
