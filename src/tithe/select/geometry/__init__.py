"""What strategies compute with: orders, distances, clusters."""
