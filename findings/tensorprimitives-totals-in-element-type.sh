#!/usr/bin/env bash
# System.Numerics.Tensors 11.0.0: Sum, Dot, Norm and Average keep the running total in the element
# type, and CosineSimilarity of the same library does not.
# Needs: the .NET 10 SDK.
# Expected: reductions of half-precision vectors use single precision inside (as PyTorch does on
#   every device); at least, the norm and the cosine similarity of one vector agree with each other.
# Seen: a sum or product of 4,096 ones is 2048, since 2048 + 1 rounds to 2048 in half precision;
#   the norm of 512 values of 16 (362, well within half precision) is infinite, while the cosine
#   similarity of that vector to itself is 1; the average of the bytes 200 and 200 is 72.
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

var ones = Enumerable.Repeat((Half)1, 4096).ToArray();
var sum = TensorPrimitives.Sum<Half>(ones);
var dot = TensorPrimitives.Dot<Half>(ones, ones);
Check("sum of 4096 ones", sum, (float)sum < 4096);
Check("dot product of 4096 ones with themselves", dot, (float)dot < 4096);

var features = Enumerable.Repeat((Half)16, 512).ToArray();
var norm = TensorPrimitives.Norm<Half>(features);
var cosine = TensorPrimitives.CosineSimilarity<Half>(features, features);
Check("norm of 512 values of 16 (exact: 362.04)", norm, Half.IsInfinity(norm));
Check("cosine similarity of the same vector to itself", cosine, cosine == (Half)1);

var average = TensorPrimitives.Average<byte>([200, 200]);
Check("average of the bytes 200 and 200", average, average == 72);

Console.WriteLine(ok ? "SEEN: totals are kept in the element type, by all but CosineSimilarity" : "CHANGED: at least one line above differs from what this script records");
return ok ? 0 : 1;
END

dotnet build -v q -nodeReuse:false -o out > build.log 2>&1 || { cat build.log; echo 'CHANGED: it no longer builds'; exit 1; }
dotnet out/finding.dll
