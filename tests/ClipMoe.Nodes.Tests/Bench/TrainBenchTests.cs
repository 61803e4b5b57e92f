using System.Text.Json;
using ClipMoe.Model.Native;
using ClipMoe.Model.Parameters;
using ClipMoe.Nodes.Tests.Runs;

namespace ClipMoe.Nodes.Tests.Bench;

/// <summary><c>clipmoe bench train</c>.</summary>
public sealed class TrainBenchTests
{
    private static readonly string[] Tiny =
        ["bench", "train", "--model", "tiny", "--batch", "2", "--context", "8", "--caption-tokens", "8", "--threads", "1", "--json"];

    [Fact]
    public void A_processor_without_fast_bf16_is_measured_in_fp32_and_the_figures_say_so()
    {
        var isFast = Precisions.IsBf16Fast(Devices.Parse("cpu"));

        var outcome = Cli.Run([.. Tiny, "--seconds", "1", "--precision", "bf16"]);

        Assert.Equal(0, outcome.ExitCode);
        Assert.Equal(isFast ? "" : "clipmoe: this processor has no fast bf16 (AVX512_BF16 or AMX), so fp32 is measured.\n", outcome.Error);
        var figures = JsonDocument.Parse(outcome.Output).RootElement;
        Assert.Equal("bf16", figures.GetProperty("requested_precision").GetString());
        Assert.Equal(isFast ? "bf16" : "fp32", figures.GetProperty("precision").GetString());
    }

    [Fact]
    public void The_figures_are_of_a_matrix_product_that_takes_no_longer_than_a_second_and_of_whole_steps()
    {
        var outcome = Cli.Run([.. Tiny, "--seconds", "1", "--precision", "fp32"]);

        Assert.Equal((0, ""), (outcome.ExitCode, outcome.Error));
        var figures = JsonDocument.Parse(outcome.Output).RootElement;
        Assert.Equal("fp32", figures.GetProperty("requested_precision").GetString());
        Assert.InRange(figures.GetProperty("product_size").GetInt32(), 256, 2048);
        Assert.True(figures.GetProperty("steps").GetInt32() >= 1);
        Assert.True(figures.GetProperty("images_per_second").GetDouble() > 0);
        Assert.True(figures.GetProperty("product_gflops").GetDouble() > 0);
    }

    [Fact]
    public async Task It_dies_of_SIGTERM_while_it_computes_as_any_program_does()
    {
        const int signal = 15;
        using var bench = ClipMoeProcess.Start([.. Tiny, "--seconds", "3600"]);
        await bench.HasLoaded("libtorch_cpu.so");

        bench.Signal(signal);

        Assert.Equal(128 + signal, await bench.ExitCode());
    }
}
