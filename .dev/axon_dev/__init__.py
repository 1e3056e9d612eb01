"""What `make` runs: set up the environment, run Axon, test it, check it.

Only the standard library may be imported here, since these modules run before anything is
installed.
"""
