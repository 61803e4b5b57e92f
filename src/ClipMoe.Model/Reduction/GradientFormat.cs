namespace ClipMoe.Model.Reduction;

/// <summary>Number format of gradients on their way up the reduction tree, and so on the network. Additions are fp32 in either.</summary>
public enum GradientFormat
{
    Fp32,

    /// <summary>
    /// The gradient of every leaf and the sum at every node are rounded to bfloat16 (nearest, ties to even), whether they cross the
    /// network or not: half the bytes, and for any number of workers the same bits, other ones than in fp32.
    /// </summary>
    Bf16,
}
