"""OpenAI's API, `/v1`: another rendering of what `/api/generate` streams, for existing tools."""
