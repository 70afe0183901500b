#!/usr/bin/env bash
# Search for good settings on part of the rows, then train on all of them. Arguments are passed to the training,
# for example: ./train_full_with_tuning.sh --set tuning_n_iterations=5
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# The Python in which the project is installed, otherwise uv's.
python=(python)
if ! python -c 'import data_efficiency' 2>/dev/null; then
  if ! command -v uv >/dev/null; then
    echo "error: the project is not installed in this Python, and uv was not found: run 'pip install -e .' here" >&2
    exit 2
  fi
  python=(uv run python)
fi

"${python[@]}" -m data_efficiency.run --config configs/train_config_with_tuning.json --resume auto "$@"
