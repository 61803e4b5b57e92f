#!/usr/bin/env bash
# TorchSharp.PyBridge 1.4.4 with TorchSharp 0.107.0: a .pt file of a tensor that starts inside a
# larger one can't be read back.
# Needs: the .NET 10 SDK, x86-64 Linux, about 1 GB of temporary disk.
# Expected: a contiguous slice (parameters that are slices of one flat buffer, a fused weight that was
#   cut) is saved as its values; or the writer refuses it, as it refuses transposed tensors.
# Seen: saving succeeds. The file holds only the slice's own bytes, but records the slice's offset in
#   the buffer that it was cut from, so it points behind its end, and the library's own reader fails.
#   A slice at offset 0 and a clone are fine, and so is the same library's safetensors writer.
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
    <PackageReference Include="TorchSharp.PyBridge" Version="1.4.4" />
  </ItemGroup>
</Project>
END

cat > Program.cs <<'END'
using System.Collections;
using TorchSharp;
using TorchSharp.PyBridge;
using static TorchSharp.torch;

var ok = true;
void Check(string what, object? seen, bool asRecorded)
{
    Console.WriteLine($"{(asRecorded ? "as recorded" : "CHANGED    ")}  {what}: {seen}");
    ok &= asRecorded;
}

string RoundTrip(Tensor tensor)
{
    var file = new MemoryStream();
    PyTorchPickler.PickleStateDict(file, new Dictionary<string, Tensor> { ["w"] = tensor }, leaveOpen: true);
    file.Position = 0;
    try
    {
        var read = (Tensor)PyTorchUnpickler.UnpickleStateDict(file)["w"]!;
        return string.Join(" ", read.data<float>().ToArray());
    }
    catch (Exception e)
    {
        return "saved, but reading fails: " + (e.InnerException ?? e).Message.Split('\n')[0];
    }
}

var flat = arange(10).to(float32);
var start = RoundTrip(flat.narrow(0, 0, 2));
Check("slice at offset 0", start, start == "0 1");
var middle = flat.narrow(0, 4, 2);
Check("slice at offset 4 is contiguous", middle.is_contiguous(), middle.is_contiguous());
var failed = RoundTrip(middle);
Check("slice at offset 4", failed, failed.Contains("out of bounds"));
var clone = RoundTrip(middle.clone());
Check("clone of that slice", clone, clone == "4 5");

Console.WriteLine(ok ? "SEEN: the .pt writer records an offset that its own file does not have" : "CHANGED: at least one line above differs from what this script records");
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
