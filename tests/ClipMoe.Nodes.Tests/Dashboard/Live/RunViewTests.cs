using ClipMoe.Actors.Experiments;
using ClipMoe.Nodes.Dashboard.Live;

namespace ClipMoe.Nodes.Tests.Dashboard.Live;

public sealed class RunViewTests
{
    private sealed class BrokenView : RunView
    {
        public int Shown { get; private set; }

        protected override void Display(RunEvent e)
        {
            Shown++;
            throw new InvalidOperationException("the terminal is gone");
        }
    }

    [Fact]
    public void AViewThatFailsIsGivenUpAndEndsNothing()
    {
        using var view = new BrokenView();
        view.Show(new RunWarning("first"));
        view.Show(new RunWarning("second"));
        Assert.Equal(1, view.Shown);
        Assert.True(view.Stopping());
    }
}
