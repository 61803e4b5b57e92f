#!/usr/bin/env bash
# TorchSharp 0.107.0: nn.init.trunc_normal_ with mean 0 fills the tensor with one constant.
# Needs: the .NET 10 SDK, x86-64 Linux, about 1 GB of temporary disk.
# Expected: the usual start of a vision transformer, trunc_normal_(w, std: 0.02), draws from a normal
#   distribution cut off at a and b, as PyTorch's function of the same name does.
# Seen: with mean 0 every element equals std, whatever the bounds: all ones by default, all 0.02 for
#   std 0.02, so all units of a layer stay alike. With another mean the spread is wrong: mean 0.5
#   and std 0.02 give a standard deviation of about 0.35.
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

(float Least, float Greatest) Range(Tensor t) => (t.min().item<float>(), t.max().item<float>());

random.manual_seed(1);
var usual = Range(nn.init.trunc_normal_(zeros(64, 64), std: 0.02));
Check("mean 0, std 0.02: least and greatest of 4096", usual, usual.Least == usual.Greatest && Math.Abs(usual.Least - 0.02f) < 1e-6f);
var standard = Range(nn.init.trunc_normal_(zeros(64, 64)));
Check("mean 0, std 1 (the defaults)", standard, standard is { Least: 1f, Greatest: 1f });
var bounded = Range(nn.init.trunc_normal_(zeros(64, 64), mean: 0, std: 0.02, a: -0.04, b: 0.04));
Check("mean 0, std 0.02, between -0.04 and 0.04", bounded, bounded.Least == bounded.Greatest);
var shifted = nn.init.trunc_normal_(zeros(64, 64), mean: 0.5, std: 0.02).std().item<float>();
Check("mean 0.5, std 0.02: standard deviation of the draw", shifted, shifted > 0.05f);
var control = nn.init.normal_(zeros(64, 64), mean: 0, std: 0.02).std().item<float>();
Check("normal_, mean 0, std 0.02: standard deviation (right)", control, Math.Abs(control - 0.02f) < 0.002f);

Console.WriteLine(ok ? "SEEN: trunc_normal_ with mean 0 is the constant std" : "CHANGED: at least one line above differs from what this script records");
return ok ? 0 : 1;
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
