#!/usr/bin/env bash
# Akka.NET 1.5.74: the default (Newtonsoft) serializer changes values silently, and can't read
# everything that it writes.
# Needs: the .NET 10 SDK.
# Expected: a message that the serializer writes without complaint arrives as it was sent, or fails.
# Seen: ReadOnlyMemory<float> (a feature vector) arrives empty, the range 1..3 as 0..0, minus zero as
#   zero, a string in an object field that looks like a time as a DateTime. KeyValuePair<string, int>
#   and Akka's own ByteString are written, and reading them fails.
#   Nothing of this shows while both actors are in one process: there messages are not serialized.
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
    <PackageReference Include="Akka" Version="1.5.74" />
  </ItemGroup>
</Project>
END

cat > Program.cs <<'END'
using Akka.Actor;
using Akka.IO;

var ok = true;
void Check(string what, object? seen, bool asRecorded)
{
    Console.WriteLine($"{(asRecorded ? "as recorded" : "CHANGED    ")}  {what}: {seen}");
    ok &= asRecorded;
}

using var system = ActorSystem.Create("finding", "akka { loglevel = OFF, stdout-loglevel = OFF }");

T Arrives<T>(T value)
{
    var message = new Message<T>(value);
    var serializer = system.Serialization.FindSerializerFor(message);
    return ((Message<T>)serializer.FromBinary(serializer.ToBinary(message), typeof(Message<T>))).Value;
}

string Failure(Action action)
{
    try
    {
        action();
        return "none";
    }
    catch (Exception e)
    {
        return e.GetType().Name;
    }
}

var array = Arrives(new float[] { 1, 2, 3 }).Length;
Check("float[] of 3, length", array, array == 3);
var memory = Arrives<ReadOnlyMemory<float>>(new float[] { 1, 2, 3 }).Length;
Check("ReadOnlyMemory<float> of 3, length", memory, memory == 0);
var range = Arrives(1..3);
Check("range 1..3", range, range.Equals(0..0));
var zero = Arrives(-0.0);
Check("-0.0 is negative", double.IsNegative(zero), !double.IsNegative(zero));
var text = Arrives<object>("2026-01-02T03:04:05Z").GetType().Name;
Check("a string like a time in an object field", text, text == "DateTime");
var pair = Failure(() => Arrives(new KeyValuePair<string, int>("a", 1)));
Check("KeyValuePair<string, int>, failure", pair, pair == "JsonReaderException");
var bytes = Failure(() => Arrives(ByteString.FromBytes([1, 2, 3])));
Check("ByteString, failure", bytes, bytes == "JsonSerializationException");

Console.WriteLine(ok ? "SEEN: the default serializer loses values without an error" : "CHANGED: at least one line above differs from what this script records");
return ok ? 0 : 1;

record Message<T>(T Value);
END

dotnet build -v q -nodeReuse:false -o out > build.log 2>&1 || { cat build.log; echo 'CHANGED: it no longer builds'; exit 1; }
dotnet out/finding.dll
