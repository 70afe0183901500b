"""Tasks: what the inputs are, how they become tensors, and the network that reads them."""
