using System.Text.Json.Serialization;

namespace ClipMoe.Actors.Experiments;

[JsonConverter(typeof(JsonStringEnumConverter<Control>))]
public enum Control { Pause, Resume, Cancel }
