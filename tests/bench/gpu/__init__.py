"""`make bench-gpu`: what a GPU is to be asked first, in nine minutes."""
