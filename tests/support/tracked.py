"""What a run tells its trackers."""

PARAMS = {
    "model": {"name": "tiny|one", "dropout": 0.1},
    "training": {"freeze": True, "layers": [1, 2]},
    "seed": 7,
}
