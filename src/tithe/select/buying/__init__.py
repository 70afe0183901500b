"""Track T0: labels are bought round by round, and no other label is ever read."""
