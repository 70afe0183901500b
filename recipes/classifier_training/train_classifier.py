"""Train a text classifier from one labelled Parquet file: `python train_classifier.py --config config.yaml`."""

import sys

from tithe.cli import main

if __name__ == "__main__":
    arguments = sys.argv[1:]
    if "--config" in arguments:  # the documented spelling of what `tithe train` takes as its argument
        arguments.remove("--config")
    sys.argv = ["train_classifier.py", *([] if arguments == ["--help"] else ["train"]), *arguments]
    main()
