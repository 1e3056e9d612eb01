"""Decides what runs when: requests, slots, steps, text. Knows nothing of torch or protobuf."""
