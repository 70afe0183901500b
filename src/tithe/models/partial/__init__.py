"""What of an encoder is trained where not all of it is."""
