"""Is a running server good? Six checks from outside, as `make check-quality`."""
