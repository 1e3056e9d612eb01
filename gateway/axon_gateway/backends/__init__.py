"""The inference services seen from here: streams, replicas, models side by side, refusals."""
