"""Pages and figures, written from files alone."""
