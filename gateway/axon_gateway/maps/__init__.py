"""The map of all features, as the page and other tools get it."""
