"""The training loop and its parts: batches, optimizer, devices."""
