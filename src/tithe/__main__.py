"""`python -m tithe` is `tithe`."""

from tithe.cli import main

main()
