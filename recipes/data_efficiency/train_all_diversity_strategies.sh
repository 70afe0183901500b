#!/usr/bin/env bash
# Train with every strategy, one after the other, evaluate each, and end with the tables. Stopped? Run it again: what is
# done is passed over, and what was under way goes on. Arguments go on to every training, for example:
#     ./train_all_diversity_strategies.sh --set epochs=5
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# The Python in which the project is installed, else uv's.
python=(python)
if ! python -c 'import data_efficiency' 2>/dev/null; then
  if ! command -v uv >/dev/null; then
    echo "error: the project is not installed in this Python, and there is no uv: run 'pip install -e .' here" >&2
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
    echo "$name is trained already: delete $home to train it anew" >&2
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
