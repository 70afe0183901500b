#!/usr/bin/env bash
# Search for good settings on a part of the rows, then train on all of them. Arguments go on to the training,
# for example: ./train_full_with_tuning.sh --set tuning_n_iterations=5
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# The Python in which the project is installed, else uv's.
python=(python)
python -c 'import data_efficiency' 2>/dev/null || python=(uv run python)

"${python[@]}" -m data_efficiency.run --config configs/train_config_with_tuning.json --resume auto "$@"
