"""Networks, their inputs, freezing and inference."""
