#!/usr/bin/env bash
# Train with every strategy in turn, evaluate each, and print the tables. After an interruption, run it again: finished
# strategies are skipped and the unfinished one resumes. Arguments are passed to every training, for example:
#     ./train_all_diversity_strategies.sh --set epochs=5
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

strategies=(
  all random perplexity el2n ifd aflite_readability k_center entropy_diversity lexical_diversity qdit_lite edfs_lite
)
for name in "${strategies[@]}"; do
  home=checkpoints/$name
  if [[ -f $home/manifest.json ]]; then
    echo "$name is already trained: delete $home to train it again" >&2
  else
    echo "training with $name" >&2
    "${python[@]}" -m data_efficiency.run --config "configs/train_config_$name.json" --resume auto "$@"
  fi
  if [[ ! artifacts/$name/metrics.csv -nt $home/manifest.json ]]; then
    "${python[@]}" -m data_efficiency.evaluate -c "$home/best/model.pt"
  fi
done

"${python[@]}" -m data_efficiency.results "${strategies[@]}"
"${python[@]}" -m tithe compare "${strategies[@]/#/checkpoints/}" --html artifacts/comparison.html
