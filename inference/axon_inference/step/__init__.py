"""One step for all rows: the batch, attention, the cache, the tap, sampling, captured graphs."""
