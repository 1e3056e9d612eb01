"""The bundled model: the recipe that writes its text, trains it, and measures its features."""
