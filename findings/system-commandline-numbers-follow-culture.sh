#!/usr/bin/env bash
# System.CommandLine 3.0.0: options of type double, float and decimal are read by the culture of the
# user's session, with digit-group separators allowed anywhere.
# Needs: the .NET 10 SDK.
# Expected: the numbers of a command line mean the same on every machine (as in YAML and JSON), or a
#   number that does not fit the culture is refused.
# Seen: where the decimal sign is a comma (as in German or French), "--lr 0.001" is 1: a learning
#   rate a thousand times too high, without an error. In the invariant culture "--lr 0,5" is 5.
#   Options of type int are stricter: "1,000" is refused.
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
    <PackageReference Include="System.CommandLine" Version="3.0.0" />
  </ItemGroup>
</Project>
END

cat > Program.cs <<'END'
using System.CommandLine;
using System.Globalization;

var ok = true;
void Check(string what, object? seen, bool asRecorded)
{
    Console.WriteLine($"{(asRecorded ? "as recorded" : "CHANGED    ")}  {what}: {seen}");
    ok &= asRecorded;
}

(T? Value, int Errors) Read<T>(CultureInfo culture, string text)
{
    CultureInfo.CurrentCulture = culture;
    var option = new Option<T>("--lr");
    var result = new RootCommand { option }.Parse(["--lr", text]);
    return result.Errors.Count > 0 ? (default, result.Errors.Count) : (result.GetValue(option), 0);
}

// What German machines have; made by hand so that no ICU library is needed.
var comma = (CultureInfo)CultureInfo.InvariantCulture.Clone();
comma.NumberFormat.NumberDecimalSeparator = ",";
comma.NumberFormat.NumberGroupSeparator = ".";
var point = CultureInfo.InvariantCulture;

var plain = Read<double>(point, "0.001");
Check("decimal point, --lr 0.001", plain, plain is { Value: 0.001, Errors: 0 });
var thousandfold = Read<double>(comma, "0.001");
Check("decimal comma, --lr 0.001", thousandfold, thousandfold is { Value: 1, Errors: 0 });
var single = Read<float>(comma, "0.1");
Check("decimal comma, float, --lr 0.1", single, single is { Value: 1f, Errors: 0 });
var groups = Read<double>(point, "0,5");
Check("decimal point, --lr 0,5", groups, groups is { Value: 5, Errors: 0 });
var whole = Read<int>(point, "1,000");
Check("decimal point, int, --lr 1,000", whole, whole.Errors > 0);

Console.WriteLine(ok ? "SEEN: the same --lr is another number on another user's machine" : "CHANGED: at least one line above differs from what this script records");
return ok ? 0 : 1;
END

dotnet build -v q -nodeReuse:false -o out > build.log 2>&1 || { cat build.log; echo 'CHANGED: it no longer builds'; exit 1; }
dotnet out/finding.dll
