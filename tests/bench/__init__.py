"""`make bench`: Axon's speed, as ratios to other programs measured in the same run."""
