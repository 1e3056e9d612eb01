"""Axon's inference service: one model, its SAEs, and one batch for all callers."""
