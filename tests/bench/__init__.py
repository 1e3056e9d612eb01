"""`make bench`: how fast Axon is, as ratios to what it is compared with in the same run."""
