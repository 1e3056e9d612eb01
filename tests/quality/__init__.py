"""`make check-quality`: six checks of a running server from outside."""
