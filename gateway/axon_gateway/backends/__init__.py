"""The inference services: streams, replicas, several models, refusals."""
