"""Train a text classifier from one labelled Parquet file: `python train_classifier.py --config config.yaml`."""

import sys

from tithe.cli.main import main

if __name__ == "__main__":
    # The documented option `--config` is the positional argument of `tithe train`.
    arguments = [part.removeprefix("--config=") for part in sys.argv[1:] if part != "--config"]
    sys.argv = ["train_classifier.py", *([] if arguments == ["--help"] else ["train"]), *arguments]
    main()
