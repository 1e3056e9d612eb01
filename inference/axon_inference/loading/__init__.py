"""From settings to a runner that is ready, or a line that says why not."""
