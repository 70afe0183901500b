"""Networks, their inputs, and what of them is trained."""
