"""A step's torch: the model, one pass for all rows, the tap with its SAEs, sampling."""
