using ClipMoe.Model.Numerics;

namespace ClipMoe.Model.Tests.Numerics;

public sealed class DotProductsTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(4, 3, 8)]
    [InlineData(5, 7, 19)]
    [InlineData(11, 10, 64)]
    [InlineData(3, 2, 7)]
    [InlineData(9, 81, 130)]
    public void A_product_has_the_same_bits_wherever_in_a_block_it_is_computed(int n, int m, int dimension)
    {
        var (rows, columns) = (Random(1, n * dimension), Random(2, m * dimension));
        var products = new float[n * m];
        DotProducts.Products(rows, columns, dimension, products);
        for (var r = 0; r < n; r++)
        {
            for (var c = 0; c < m; c++)
            {
                var row = rows.AsSpan(r * dimension, dimension);
                var column = columns.AsSpan(c * dimension, dimension);
                Assert.Equal(DotProducts.Dot(row, column), products[r * m + c]);
                Assert.Equal(DotProducts.Dot(column, row), products[r * m + c]);
                var exact = 0.0;
                for (var d = 0; d < dimension; d++) exact += (double)row[d] * column[d];
                Assert.Equal(exact, products[r * m + c], tolerance: 1e-6 * dimension);
            }
        }
    }

    [Fact]
    public void Too_little_room_and_unequal_lengths_are_refused()
    {
        Assert.Throws<ArgumentException>(() => DotProducts.Products(new float[8], new float[8], dimension: 2, new float[15]));
        Assert.Throws<ArgumentException>(() => DotProducts.Dot(new float[3], new float[4]));
    }

    private static float[] Random(int key, int count) =>
        [.. Enumerable.Range(0, count).Select(i => (float)RandomKey.FromSeed(3).Derive(key).Unit(i) - 0.5f)];
}
