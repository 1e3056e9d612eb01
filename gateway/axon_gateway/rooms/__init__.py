"""Rooms: a bounded log of frames, and viewers as cursors in it."""
