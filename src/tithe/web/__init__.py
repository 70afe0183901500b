"""HTTP servers: where they are reached, what every request passes first, the process, and their pages."""
