"""Rooms at several gateways: one log in Redis, one home that writes it, followers that show it."""
