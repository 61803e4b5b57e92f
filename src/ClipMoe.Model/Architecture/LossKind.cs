using System.Text.Json.Serialization;

namespace ClipMoe.Model.Architecture;

/// <summary>The contrastive loss that a model is trained with. It decides which learned numbers the model has besides its towers.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<LossKind>))]
public enum LossKind
{
    /// <summary>Cross-entropy over the rows and columns of the global batch, as CLIP (arXiv 2103.00020).</summary>
    [JsonStringEnumMemberName("infonce")] InfoNce,
    /// <summary>Binary cross-entropy of every pair of an image and a caption by itself, as SigLIP (arXiv 2303.15343).</summary>
    [JsonStringEnumMemberName("sigmoid")] Sigmoid,
}

/// <summary>A learned number on the way from cosine similarities to a loss.</summary>
/// <param name="Name">In the state dict.</param>
/// <param name="Initial">Where training from scratch starts.</param>
/// <param name="Largest">What it is clamped to after each update; null for no bound.</param>
/// <param name="Imported">What it is set to where training starts from a checkpoint, whatever the checkpoint has.</param>
public sealed record LogitParameter(string Name, double Initial, double? Largest = null, double? Imported = null);

/// <summary>What each loss asks of a model.</summary>
public static class LossKinds
{
    /// <summary>ln 100, the fixed value of the reference and the clamp of CLIP's own training.</summary>
    public const double MaxLogitScale = 4.60517;

    /// <summary>ln(1/0.07), where CLIP's own training starts.</summary>
    private const double InfoNceLogitScale = 2.6592600369327779;

    private const string LogitScale = "logit_scale";

    private static readonly HashSet<string> Names = [.. Enum.GetValues<LossKind>().SelectMany(LogitParameters).Select(p => p.Name)];

    /// <summary>The learned numbers of a loss, in the order of the state dict.</summary>
    public static IReadOnlyList<LogitParameter> LogitParameters(this LossKind loss) => loss switch
    {
        LossKind.InfoNce => [new(LogitScale, InfoNceLogitScale, Largest: MaxLogitScale, Imported: MaxLogitScale)],
        // As the paper: most pairs do not belong together, and the bias says so from the first step on.
        LossKind.Sigmoid => [new(LogitScale, Math.Log(10)), new("logit_bias", -10)],
        _ => throw new ArgumentOutOfRangeException(nameof(loss), loss, null),
    };

    /// <summary>
    /// Whether the learned numbers train in every stage. Otherwise they train with a base from scratch only, and are held from there on.
    /// </summary>
    public static bool LearnsInEveryStage(this LossKind loss) => loss switch
    {
        LossKind.InfoNce => false,
        // A checkpoint of another loss has neither scale nor bias that fit it.
        LossKind.Sigmoid => true,
        _ => throw new ArgumentOutOfRangeException(nameof(loss), loss, null),
    };

    /// <summary>Whether a parameter of this name is such a number of any loss.</summary>
    public static bool HasLogitParameter(string name) => Names.Contains(name);

    /// <summary>Of the losses whose numbers are all there, the one with the most.</summary>
    public static LossKind Of(Func<string, bool> has) => Enum.GetValues<LossKind>()
        .Where(loss => loss.LogitParameters().All(p => has(p.Name)))
        .OrderByDescending(loss => loss.LogitParameters().Count)
        .FirstOrDefault();

    /// <summary>Numbers that training of a checkpoint with this loss starts from in place of the checkpoint's.</summary>
    /// <param name="found">The loss that the checkpoint was trained with.</param>
    public static IReadOnlyDictionary<string, double> Replaced(this LossKind loss, LossKind found) => loss.LogitParameters()
        .Where(p => p.Imported is not null || loss != found)
        .ToDictionary(p => p.Name, p => p.Imported ?? p.Initial);
}
