#!/usr/bin/env bash
# System.Numerics.Tensors 11.0.0: TensorPrimitives.SoftMax does not subtract the maximum first.
# Needs: the .NET 10 SDK.
# Expected: softmax is stable, as in PyTorch: a constant added to all logits changes nothing, and the
#   logits of a trained CLIP (100 x cosine) are fine.
# Seen: it divides exp(x) by the sum of exp(x), as the formula is written. In single precision each
#   output whose logit passes 88.7 is NaN (cosine 0.887 at CLIP's scale of 100: near duplicates, an
#   image against itself) and all others in the row are 0; where all logits are below about -104,
#   all outputs are NaN. No error.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export NUGET_PACKAGES="${NUGET_PACKAGES:-$work/packages}" DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

cat > finding.csproj <<'END'
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <ImplicitUsings>enable</ImplicitUsings>
    <InvariantGlobalization>true</InvariantGlobalization>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="System.Numerics.Tensors" Version="11.0.0" />
  </ItemGroup>
</Project>
END

cat > Program.cs <<'END'
using System.Numerics.Tensors;

var ok = true;
void Check(string what, object? seen, bool asRecorded)
{
    Console.WriteLine($"{(asRecorded ? "as recorded" : "CHANGED    ")}  {what}: {seen}");
    ok &= asRecorded;
}

float[] SoftMax(params float[] logits)
{
    var result = new float[logits.Length];
    TensorPrimitives.SoftMax<float>(logits, result);
    return result;
}

string Text(float[] values) => string.Join(" ", values);

// The same differences between the logits each time: the right answer is the same each time.
var low = SoftMax(5f, 4f, 0f);
var high = SoftMax(100f, 99f, 95f);
var veryLow = SoftMax(-200f, -201f, -205f);
Check("softmax(5, 4, 0)", Text(low), Math.Abs(low[0] - 0.7275f) < 1e-3f);
Check("softmax(100, 99, 95)", Text(high), high.All(float.IsNaN));
Check("softmax(-200, -201, -205)", Text(veryLow), veryLow.All(float.IsNaN));
// One match among many that are not: exactly the match is lost.
var row = SoftMax(20f, 20f, 90f, 20f);
Check("softmax(20, 20, 90, 20)", Text(row), float.IsNaN(row[2]) && row[0] == 0);

Console.WriteLine(ok ? "SEEN: SoftMax overflows to NaN at logits of CLIP's scale" : "CHANGED: at least one line above differs from what this script records");
return ok ? 0 : 1;
END

dotnet build -v q -nodeReuse:false -o out > build.log 2>&1 || { cat build.log; echo 'CHANGED: it no longer builds'; exit 1; }
dotnet out/finding.dll
