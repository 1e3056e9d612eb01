"""What features mean: from files and Neuronpedia into Redis, and from there to the page."""
