using ClipMoe.Actors.Experiments;
using ClipMoe.Model;
using ClipMoe.Model.Losses;
using ClipMoe.Model.Sampling;
using ClipMoe.Nodes.Options;

namespace ClipMoe.Nodes.Tests.Options;

public sealed class ExperimentFileTests
{
    [Fact]
    public void ShowPrintsAnExperimentThatStillLacksSomethingAndSaysWhat()
    {
        var outcome = Cli.Run("experiment", "show", "--set", "preset=paper");

        Assert.Equal(0, outcome.ExitCode);
        Assert.Contains("name: paper", outcome.Output);
        Assert.Contains("data.path: ", outcome.Error);
        Assert.Contains("model.checkpoint: ", outcome.Error);
    }

    [Fact]
    public void ShowRefusesWhatIsWrongAndRunWhatIsMissing()
    {
        Assert.Equal(2, Cli.Run("experiment", "show", "--set", "preset=paper", "--set", "moe.experts=7").ExitCode);
        Assert.Throws<UserErrorException>(() => ExperimentFile.Load(null, ["preset=paper"]));
    }

    public static TheoryData<string> Presets { get; } = [.. ExperimentFile.Presets];

    [Fact]
    public void PresetsAreThoseThatTheHelpNames() => Assert.Equal(["demo", "paper", "tiny"], ExperimentFile.Presets);

    [Fact]
    public void WithoutFileOrOptionsTheDemoIsLoaded()
    {
        var experiment = ExperimentFile.Load(null, []);

        Assert.Equal("demo", experiment.Name);
        Assert.Equal([Comparison.Direct, Comparison.HardBatch, Comparison.Upcycle], experiment.Evaluation.Compare);
    }

    [Fact]
    public void DemoNamesEveryKey()
    {
        var reader = new ExperimentReader();
        reader.Read((YamlSection)YamlDocument.Parse(ExperimentFile.PresetText("demo"))!, new SettingsLayer(n => $"line {n}", "/"));

        Assert.Empty(reader.Problems);
        Assert.Equal([], ExperimentSchema.Keys.Keys.Where(k => reader.Place(k) is null));
    }

    [Fact]
    public void EveryNumberHasARange() => Assert.Equal([], ExperimentSchema.Keys.Values
        .Where(k => k.Type == typeof(int) || k.Type == typeof(double) || k.Type == typeof(ulong)).Where(k => k.Range is null)
        .Select(k => k.Path));

    [Theory]
    [MemberData(nameof(Presets))]
    public void WhatIsPrintedIsReadBackAsTheSameExperiment(string preset)
    {
        string[] sets = preset == "paper" ? ["data.path=/d: #\"x", "data.vocabulary=/v", "model.checkpoint=/c"] : [];
        var experiment = ExperimentFile.Load(null, [$"preset={preset}", .. sets]);

        var yaml = ExperimentYaml.Write(experiment);
        var again = ExperimentFile.Parse(yaml, "printed", "/elsewhere", []);

        Assert.Equal(yaml, ExperimentYaml.Write(again));
        Assert.Equal(ExperimentJson.Write(experiment).ToJsonString(), ExperimentJson.Write(again).ToJsonString());
        Assert.Equal(ExperimentHash.Compute(experiment), ExperimentHash.Compute(again));
    }

    [Fact]
    public void PaperHasTheNumbersOfThePaper()
    {
        var paper = ExperimentFile.Load(null, ["preset=paper", "data.path=/d", "data.vocabulary=/v", "model.checkpoint=/c"]);

        Assert.True(paper.Model.RoundToHalf);
        Assert.Equal(248, paper.Model.ContextLength);
        Assert.Equal((3, 3, 1e-5, 0.2, 200, Leftovers.Drop),
            (paper.Mcl.Stages, paper.Mcl.Clusters, paper.Mcl.LearningRate, paper.Mcl.WeightDecay, paper.Mcl.WarmupSteps,
                paper.Mcl.Leftovers));
        Assert.Null(paper.Mcl.Steps);
        Assert.Equal(RouterTraining.Routers, paper.Router.Trains);
        Assert.Equal((1e-6, 1e-2, 0.1, 0.01, RouterLossTokens.All),
            (paper.Router.LearningRate, paper.Router.WeightDecay, paper.Router.ExpertDropout, paper.Router.LossWeight,
                paper.Router.LossTokens));
    }

    [Fact]
    public void PaperSaysWhatItNeeds()
    {
        var error = Assert.Throws<UserErrorException>(() => ExperimentFile.Load(null, ["preset=paper"]));

        Assert.Contains("data.path: no data is given", error.Message);
        Assert.Contains("model.checkpoint: no dense CLIP is given", error.Message);
    }

    [Fact]
    public void FileGoesOverPresetAndOptionsOverFile()
    {
        const string yaml = "preset: tiny\nmcl: {steps: 40, warmup_steps: 4}\nevaluation:\n  compare: [Hard-Batch]\n";

        var experiment = Parse(yaml, "mcl.steps=50", "mcl.steps=60");

        Assert.Equal("tiny", experiment.Name);
        Assert.Equal(60, experiment.Mcl.Steps);
        Assert.Equal(4, experiment.Mcl.WarmupSteps);
        Assert.Equal([Comparison.HardBatch], experiment.Evaluation.Compare);
    }

    [Fact]
    public void OptionsChooseThePresetOverTheFile() => Assert.Equal(2, Parse("preset: demo\n", "preset=tiny").Mcl.Stages);

    [Fact]
    public void PathsAreRelativeToWhereTheyAreWritten()
    {
        var experiment = Parse("data: {path: pictures, vocabulary: ../v.gz}\n", "model.checkpoint=clip.pt");

        Assert.Equal("/somewhere/pictures", experiment.Data.Path);
        Assert.Equal("/v.gz", experiment.Data.Vocabulary);
        Assert.Equal(Path.GetFullPath("clip.pt"), experiment.Model.Checkpoint);
    }

    [Theory]
    [InlineData("a: b # {x}")]
    [InlineData("[list]")]
    [InlineData("*alias")]
    public void TextsInOptionsAreTakenAsTheyAre(string name) => Assert.Equal(name, Parse("", $"name={name}").Name);

    [Fact]
    public void OptionsCanUnsetWhatMayBeUnset() => Assert.Null(Parse("", "mcl.steps=null", "router.steps=null").Mcl.Steps);

    [Fact]
    public void AllErrorsAreToldAtOnceEachWithItsLine()
    {
        const string yaml = """
            preset: demo
            sede: 3
            batch:
              size: many
              leaves: 8
            mcl:
              stages: 3
              learning_rate: -1
              stages: 4
            moe:
              top_k: 5
              init: upcycel
              experts: 4
            model: {round_to_half: yes}
            stages: 3
            evaluation: {compare: [direct, direct]}
            data: 7
            """;

        var error = Assert.Throws<UserErrorException>(() => Parse(yaml, "router.steps", "router.epochs=0.5"));

        Assert.Equal(
            [
                "--set router.steps, router.steps: it has no value; write --set key=value, for instance --set mcl.steps=100.",
                "line 2, sede: there is no such key; did you mean seed?",
                "line 4, batch.size: found many; allowed is a whole number from 2 to 1048576.",
                "line 8, mcl.learning_rate: found -1; allowed is a number from 0 to 10.",
                "line 9, mcl.stages: the key is given twice; the first is on line 7.",
                "line 12, moe.init: found upcycel; allowed are mcl, upcycle; did you mean upcycle?",
                "line 14, model.round_to_half: found yes; allowed are true and false.",
                "line 15, stages: there is no such key; did you mean mcl.stages?",
                "line 16, evaluation.compare: found a list; allowed is a list, in brackets, of different ones of direct, hard_batch, " +
                "upcycle.",
                "line 17, data: found 7; allowed is a section with "
                + string.Join(", ", ((SchemaSection)ExperimentSchema.Root.Children["data"]).Children.Keys) + ".",
                "--set router.epochs=0.5, router.epochs: found 0.5; allowed is a whole number from 1 to 1000000.",
                "line 11, moe.top_k: found 5; allowed are at most as many as moe.experts, 4.",
            ],
            Lines(error));
    }

    [Theory]
    [InlineData("batch: {size: 8, leaves: 16}", "line 1, batch.leaves: found 16; allowed are at most as many leaves as batch.size, 8.")]
    [InlineData("batch:\n  size: 4\n  leaves: 8", "line 3, batch.leaves: found 8; allowed are at most as many leaves as batch.size, 4.")]
    [InlineData("moe: {top_k: 5, experts: 4}\nmcl: {stages: 3}",
        "line 1, moe.top_k: found 5; allowed are at most as many as moe.experts, 4.")]
    [InlineData("mcl: {stages: 2}\nmoe: {experts: 4}",
        "line 2, moe.experts: found 4; with init: mcl the base and each of the 2 stages (mcl.stages) give one expert, so it must be 3.")]
    [InlineData("mcl: {warmup_steps: 250, steps: 250}", "line 1, mcl.warmup_steps: found 250; allowed are fewer than mcl.steps, 250.")]
    [InlineData("data: {test_split: 1.5}",
        "line 1, data.test_split: found 1.5; allowed is a fraction below 1 or a whole number of samples.")]
    [InlineData("data: {image_root: x}", "line 1, data.image_root: it says where the images of data.path lie, but data.path is not given.")]
    [InlineData("model: {checkpoint: x}",
        "line 1, data.vocabulary: it is not given; a checkpoint needs the vocabulary that it was trained with (OpenAI's: " +
        "bpe_simple_vocab_16e6.txt.gz).")]
    [InlineData("mcl: {stages: 3, clusters: 2000}",
        "line 1, mcl.stages: 3 stages of 2000² clusters give more accumulated labels than 64 bits hold; use fewer of either.")]
    public void SettingsThatDoNotGoTogetherAreErrors(string yaml, string expected) =>
        Assert.Equal([expected], Lines(Assert.Throws<UserErrorException>(() => Parse(yaml))));

    [Theory]
    [InlineData("a: &a [x]\nb: *a\n", "line 1, : anchors (&a) are not allowed")]
    [InlineData("b: *a\n", "line 1, : aliases (*a) are not allowed")]
    [InlineData("seed: !!int 3\n", "tags (tag:yaml.org,2002:int) are not allowed")]
    [InlineData("seed: 3\n---\nseed: 4\n", "line 2, : a second document")]
    [InlineData("seed: [\n", "line")]
    [InlineData("? [a]\n: b\n", "can't be a key")]
    [InlineData("- a\n", "found no keys")]
    [InlineData("just text", "found no keys")]
    [InlineData("preset: dmeo", "line 1, preset: found dmeo; allowed are demo, paper, tiny; did you mean demo?")]
    public void WhatIsNoExperimentIsRefused(string yaml, string expected) =>
        Assert.Contains(expected, Assert.Throws<UserErrorException>(() => Parse(yaml)).Message);

    [Fact]
    public void DeepNestingIsRefused()
    {
        var yaml = string.Concat(Enumerable.Repeat("[", 20_000));

        Assert.Contains("nested more than 8 levels", Assert.Throws<UserErrorException>(() => Parse(yaml)).Message);
    }

    [Fact]
    public void KeysAreShownWithoutTheirControlCharacters() =>
        Assert.DoesNotContain('\u001b', Assert.Throws<UserErrorException>(() => Parse("\"a\\e[2J\": 1\n", "b\u001b[2J=1")).Message);

    [Fact]
    public void MangledFilesAreReadOrRefused()
    {
        var (random, refused) = (new Random(1), 0);
        var original = ExperimentFile.PresetText("demo");
        for (var i = 0; i < 1000; i++)
        {
            var text = original.ToCharArray();
            for (var edits = random.Next(1, 6); edits > 0; edits--)
                text[random.Next(text.Length)] = "\0\t\n \"'#&*!|>%@`{}[],:?-0aé\ud800\u2028"[random.Next(28)];
            try
            {
                Parse(new string(text));
            }
            catch (UserErrorException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, 50, 999);
    }

    [Theory]
    [InlineData("? ")]
    [InlineData("- ")]
    [InlineData("{a: ")]
    [InlineData("a: ")]
    [InlineData("\"")]
    [InlineData("a\n")]
    [InlineData("a: 1\n")]
    [InlineData("%YAML 1.2\n")]
    public void NothingThatFitsIntoAFileTakesLong(string part)
    {
        var yaml = string.Concat(Enumerable.Repeat(part, YamlDocument.LargestFile / part.Length));

        Assert.Throws<UserErrorException>(() => Parse(yaml));
    }

    [Fact]
    public void HugeFilesAreRefusedUnread()
    {
        var error = Assert.Throws<UserErrorException>(() => ExperimentFile.Load("/dev/zero", []));

        Assert.Contains("larger than 64 KiB", error.Message);
    }

    [Fact]
    public void MissingFileIsNamed() =>
        Assert.Equal("There is no experiment file /no/such.yaml.",
            Assert.Throws<UserErrorException>(() => ExperimentFile.Load("/no/such.yaml", [])).Message);

    private static Experiment Parse(string yaml, params string[] sets) => ExperimentFile.Parse(yaml, "test.yaml", "/somewhere", sets);

    private static IEnumerable<string> Lines(UserErrorException error) => error.Message.Split('\n').Skip(1).Select(l => l.Trim());
}
