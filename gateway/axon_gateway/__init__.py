"""Axon's gateway: rooms, fan-out and labels between browsers and the inference service."""
