"""Everything a run needs to continue, saved and verified."""
