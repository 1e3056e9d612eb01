"""The engine over gRPC: the service, checks of requests, who may call it, health, metrics."""
