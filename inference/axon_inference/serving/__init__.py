"""The engine over gRPC: the service, who may call it, health, metrics."""
