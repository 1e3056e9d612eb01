"""The small world of the bundled model: a simulator that tells what happens, and what holds."""
