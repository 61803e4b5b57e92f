using ClipMoe.Model.Text;

namespace ClipMoe.Model.Tests.Text;

/// <summary>A vocabulary learned from a handful of captions, for tests that need any.</summary>
internal static class SmallVocabulary
{
    public static readonly IReadOnlyList<string> Captions =
    [
        "a photo of a red circle on a blue square", "the red circle's small dot", "a blue square and a green square, side by side",
        "two photos of the same red square", "a circle, a circle and another circle", "Café müsli — déjà vu!", "the photo's the thing",
    ];

    public static Vocabulary Vocabulary { get; } = VocabularyTrainer.Train(Captions, 600);

    public static Tokenizer Tokenizer { get; } = new(Vocabulary);
}
