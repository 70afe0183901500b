"""The only place where this project calls the `tithe` command."""

import sys
from typing import NoReturn


def tithe(*arguments: str) -> NoReturn:
    """Run `tithe` with these arguments and exit with its code."""
    try:
        from tithe.cli.main import main
    except ModuleNotFoundError as missing:
        sys.exit(f"error: {missing.name} is not installed in this Python: run 'make install' in the repository's root")
    sys.argv = [sys.argv[0], *arguments]
    main()
