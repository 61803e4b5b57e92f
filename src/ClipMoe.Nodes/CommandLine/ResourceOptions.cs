using System.CommandLine;

namespace ClipMoe.Nodes.CommandLine;

/// <summary>What a user asks for of this machine; null: what the run was started with, or else suits the machine.</summary>
internal sealed record ResourceWishes(string? Device, int? Workers, int? Threads);

/// <summary>The options of commands that compute in this process.</summary>
internal sealed class ResourceOptions
{
    private readonly Option<int?> _workers = AtLeastOne(new Option<int?>("--workers")
    {
        Description = "Workers in this process. The weights do not depend on it. Default: one per core for a small model on a CPU, else " +
        "one.",
        HelpName = "N",
    });

    private readonly Option<int?> _threads = AtLeastOne(new Option<int?>("--threads")
    {
        Description = "Compute threads of each worker. Default: those that the run was started with, else OMP_NUM_THREADS, else the cores "
        +
        "shared out.",
        HelpName = "N",
    });

    private readonly Option<string?> _device = new("--device")
    {
        Description = "cpu, cuda:N or auto. Default: the device that the run was started on, else auto.",
        HelpName = "NAME",
    };

    public void AddTo(Command command)
    {
        command.Add(_workers);
        command.Add(_threads);
        command.Add(_device);
    }

    public ResourceWishes Read(ParseResult result) => new(result.GetValue(_device), result.GetValue(_workers), result.GetValue(_threads));

    public static Option<int?> AtLeastOne(Option<int?> option)
    {
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() < 1) result.AddError($"{option.Name} must be at least 1.");
        });
        return option;
    }
}
