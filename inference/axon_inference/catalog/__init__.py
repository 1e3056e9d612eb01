"""What can be served, by which name, and the files it takes: found in the cache or downloaded."""
