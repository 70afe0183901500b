"""The data set of a config."""

from pathlib import Path

from data_efficiency.config import EXAMPLE, Source, read_config
from tithe.data import Splits, load
from tithe.fetch import catalog, downloads


def upload_dataset(config: Source = EXAMPLE) -> Splits:
    """Return the rows of a config's `dataset_path`, cleaned and split into train, validation and test.

    A file that is missing and has the name of a known data set, as `data/reviews.parquet` has, is downloaded.
    """
    run = read_config(config)
    file = Path(run.data.path)
    if not file.exists() and file.suffix == ".parquet" and file.stem in catalog.known():
        downloads.copy(catalog.fetch(file.stem), file.parent)
    return load(run.data, run.seed)
