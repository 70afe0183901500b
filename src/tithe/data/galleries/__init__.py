"""Where photographs and their labels come from: one layout a file, found by its name."""
