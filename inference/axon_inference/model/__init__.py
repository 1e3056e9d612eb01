"""What runs: the network and its hook points, packed weights, SAEs, single features."""
