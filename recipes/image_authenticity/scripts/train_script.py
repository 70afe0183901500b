"""Train a detector of fake images: `python scripts/train_script.py --data_root ./dataset [--full_mode …]`."""

import argparse
import json
import sys
from pathlib import Path
from typing import NoReturn

try:
    from tithe.cli.main import main
    from tithe.config.formats.image_authenticity import Config
except ModuleNotFoundError as missing:
    sys.exit(f"error: {missing.name} is not installed in this Python: run 'make install' in the repository's root")

DEFAULTS = Path(__file__).resolve().parents[1] / "configs" / "train_config.json"


def arguments() -> list[str]:
    """Translate the documented flags into options of `tithe train`; other arguments are passed on unchanged."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.error = _refuse  # one line instead of the usage page
    for name, field in Config.model_fields.items():
        text = f"{field.description} (default: {'required' if field.is_required() else field.default})"
        if field.annotation is bool:
            action = argparse.BooleanOptionalAction if field.default else "store_true"
            parser.add_argument(f"--{name}", action=action, help=text)
        elif name == "hold_out":
            parser.add_argument(f"--{name}", nargs="+", metavar="GENERATOR", help=text)
        else:
            parser.add_argument(f"--{name}", required=field.is_required(), metavar=name.upper(), help=text)
    parser.set_defaults(**dict.fromkeys(Config.model_fields))
    flags, rest = parser.parse_known_args()
    settings = [(name, value) for name, value in vars(flags).items() if value not in (None, [])]
    numbers = {name for name, field in Config.model_fields.items() if field.annotation in (int, float)}
    assignments = [f"{name}={value if name in numbers else json.dumps(value)}" for name, value in settings]
    return [str(DEFAULTS), *(part for assignment in assignments for part in ("--set", assignment)), *rest]


def _refuse(message: str) -> NoReturn:
    print(f"error: {message} (see train_script.py --help)", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    sys.argv = ["train_script.py", "train", *arguments()]
    main()
