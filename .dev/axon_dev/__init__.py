"""The commands of `make`: set up the environment, run Axon, test it, check it.

These modules run before anything is installed, so they import only the standard library.
"""
