"""`python -m tithe` is `tithe`."""

from tithe.cli.main import main

main()
