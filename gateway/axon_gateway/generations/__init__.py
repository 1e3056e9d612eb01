"""Generations: the service's events become frames, and their labels follow."""
