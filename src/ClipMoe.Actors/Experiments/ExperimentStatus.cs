using System.Text.Json.Serialization;

namespace ClipMoe.Actors.Experiments;

[JsonConverter(typeof(JsonStringEnumConverter<ExperimentStatus>))]
public enum ExperimentStatus { Waiting, Running, Paused, Finished, Failed, Cancelled }
