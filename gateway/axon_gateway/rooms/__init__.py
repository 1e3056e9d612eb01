"""Rooms: a bounded log of frames, viewers as cursors in it, shared among gateways through Redis."""
