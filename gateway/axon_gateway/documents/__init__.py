"""Both contracts of the gateway for machines, OpenAPI and AsyncAPI, made of its own tables."""
