"""The map: a place in the plane for every feature, read off the decoders' rows."""
