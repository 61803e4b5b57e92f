#!/usr/bin/env bash
# TorchSharp 0.107.0: DataLoader(shuffle: true) is either not repeatable or the same every epoch.
# Needs: the .NET 10 SDK, x86-64 Linux, about 1 GB of temporary disk.
# Expected: as with PyTorch's DataLoader, manual_seed makes the order repeatable, and each epoch has
#   another order.
# Seen: without seed, the order has nothing to do with random.manual_seed; with seed, every pass over
#   the loader has the very same order, so contrastive batches never change their negatives.
#   To have both, a new loader with another seed has to be made for each epoch.
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
    <RuntimeIdentifier>linux-x64</RuntimeIdentifier>
    <SelfContained>false</SelfContained>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="TorchSharp" Version="0.107.0" />
    <PackageReference Include="libtorch-cpu-linux-x64" Version="2.10.0" />
  </ItemGroup>
</Project>
END

cat > Program.cs <<'END'
using TorchSharp;
using static TorchSharp.torch;

var ok = true;
void Check(string what, object? seen, bool asRecorded)
{
    Console.WriteLine($"{(asRecorded ? "as recorded" : "CHANGED    ")}  {what}: {seen}");
    ok &= asRecorded;
}

string Pass(TorchSharp.Modules.DataLoader loader)
{
    var order = new List<long>();
    foreach (var batch in loader)
        order.AddRange(batch["number"].data<long>().ToArray());
    return string.Join(" ", order);
}

random.manual_seed(1);
var first = Pass(utils.data.DataLoader(new Numbers(), 8, shuffle: true));
random.manual_seed(1);
var second = Pass(utils.data.DataLoader(new Numbers(), 8, shuffle: true));
Check("two loaders after equal manual_seed have one order", first == second, first != second);

var loader = utils.data.DataLoader(new Numbers(), 8, shuffle: true, seed: 3);
var (epoch1, epoch2, epoch3) = (Pass(loader), Pass(loader), Pass(loader));
Check("a seeded loader shuffles at all", epoch1 != string.Join(" ", Enumerable.Range(0, 64)), epoch1 != string.Join(" ", Enumerable.Range(0, 64)));
Check("its epochs 1, 2 and 3 have one order", epoch1 == epoch2 && epoch2 == epoch3, epoch1 == epoch2 && epoch2 == epoch3);

Console.WriteLine(ok ? "SEEN: the shuffled order ignores manual_seed, and a seeded loader repeats it each epoch" : "CHANGED: at least one line above differs from what this script records");
return ok ? 0 : 1;

class Numbers : utils.data.Dataset
{
    public override long Count => 64;

    public override Dictionary<string, Tensor> GetTensor(long index) => new() { ["number"] = tensor(index) };
}
END

dotnet build -v q -nodeReuse:false -o out > build.log 2>&1 || { cat build.log; echo 'CHANGED: it no longer builds'; exit 1; }

# TorchSharp's native library names a symbol version of GCC 13.2 that it does not use. Where the
# system's libstdc++ is older (Debian 12), it loads once that one need is marked as weak.
at=$(LC_ALL=C grep -obUaP '\x42\xf8\x97\x02\x00\x00' out/libLibTorchSharp.so | head -n 1 | cut -d: -f1 || true)
if [ -n "$at" ]; then
  chmod u+w out/libLibTorchSharp.so
  printf '\x02' | dd of=out/libLibTorchSharp.so bs=1 seek=$((at + 4)) conv=notrunc status=none
fi
dotnet out/finding.dll
