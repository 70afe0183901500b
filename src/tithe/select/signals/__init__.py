"""What strategies ask for, computed once for all of them."""
