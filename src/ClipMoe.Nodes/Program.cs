return await ClipMoe.Nodes.Commands.Root.Build().Parse(args).InvokeAsync();
