#!/usr/bin/env bash
# TorchVision (.NET) 0.107.0 with SkiaSharp 4.154.0: read_image through SkiaImager.
# Needs: the .NET 10 SDK, x86-64 Linux, about 1 GB of temporary disk.
# Expected: Python torchvision's meaning of the modes: RGB_ALPHA gives byte planes red, green, blue,
#   alpha with the colours as stored; RGB gives the stored colours; GRAY gives bytes 0..255.
# Seen: RGB_ALPHA gives the planes alpha, red, green, blue; colours are multiplied by alpha in both
#   modes (a transparent pixel is black); GRAY gives Float32 between 0 and 1, unlike all other modes.
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
    <PackageReference Include="TorchVision" Version="0.107.0" />
    <PackageReference Include="SkiaSharp" Version="4.154.0" />
    <PackageReference Include="SkiaSharp.NativeAssets.Linux.NoDependencies" Version="4.154.0" />
  </ItemGroup>
</Project>
END

cat > Program.cs <<'END'
using SkiaSharp;
using TorchSharp;
using static TorchSharp.torchvision.io;

var ok = true;
void Check(string what, object? seen, bool asRecorded)
{
    Console.WriteLine($"{(asRecorded ? "as recorded" : "CHANGED    ")}  {what}: {seen}");
    ok &= asRecorded;
}

// Three pixels: one opaque, one half and one wholly transparent.
using var bitmap = new SKBitmap(3, 1, SKColorType.Rgba8888, SKAlphaType.Unpremul);
bitmap.SetPixel(0, 0, new SKColor(250, 10, 20, 255));
bitmap.SetPixel(1, 0, new SKColor(200, 100, 50, 128));
bitmap.SetPixel(2, 0, new SKColor(200, 100, 50, 0));
var png = bitmap.Encode(SKEncodedImageFormat.Png, 100).ToArray();
DefaultImager = new SkiaImager(100);

torch.Tensor Read(ImageReadMode mode) => read_image(new MemoryStream(png), mode);
string Planes(torch.Tensor t) =>
    string.Join(" | ", Enumerable.Range(0, (int)t.shape[0]).Select(c => string.Join(" ", t[c].flatten().data<byte>().ToArray())));

using var again = SKBitmap.Decode(png, new SKImageInfo(3, 1, SKColorType.Rgba8888, SKAlphaType.Unpremul));
Check("the file itself, pixel 2", again.GetPixel(1, 0), again.GetPixel(1, 0) == new SKColor(200, 100, 50, 128));
var rgba = Planes(Read(ImageReadMode.RGB_ALPHA));
Check("RGB_ALPHA, planes", rgba, rgba == "255 128 0 | 250 100 0 | 10 50 0 | 20 25 0");
var rgb = Planes(Read(ImageReadMode.RGB));
Check("RGB, planes", rgb, rgb == "250 100 0 | 10 50 0 | 20 25 0");
var gray = Read(ImageReadMode.GRAY);
Check("GRAY, type and greatest value", (gray.dtype, gray.max().ToSingle()), gray.dtype == torch.ScalarType.Float32 && gray.max().ToSingle() < 1);

Console.WriteLine(ok ? "SEEN: RGB_ALPHA is alpha first and premultiplied, GRAY is floating point" : "CHANGED: at least one line above differs from what this script records");
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
