#!/usr/bin/env bash
# Train on a rented machine that may be taken away: whatever lasts lies on a volume. Started again, for whatever
# reason, the same command goes on where it was; once the training is finished it says so and does nothing.
#
#     deploy/runpod/start.sh CONFIG [options of tithe train]
#
# TITHE_VOLUME   folder that outlives the machine (/workspace); relative paths in the config count from it
# TITHE_DATASET  data set to train on, as `tithe fetch` takes it; when unset, the data file that the config names
# TITHE_EXTRAS   parts of tithe to install besides the core, separated by commas (minilm)
# TITHE_PYTHON   a Python that has tithe; when set, nothing is installed
#
# Leaves on the volume: venv/ cache/ huggingface/ and trained/NAME/, NAME being that of the config's file.
# Exit codes are those of tithe; 143 means that SIGTERM came and the state was saved.
set -euo pipefail

fail() {
  echo "error: $1" >&2
  exit 2
}

[[ $# -ge 1 ]] || fail "no config: deploy/runpod/start.sh CONFIG [options of tithe train]"
[[ -f $1 ]] || fail "no config file $1 (seen from $PWD)"
volume=${TITHE_VOLUME:-/workspace}
[[ -d $volume && -w $volume ]] || fail "no volume at $volume that can be written to: mount one, or set TITHE_VOLUME"
volume=$(realpath "$volume")
config=$(realpath "$1")
shift
code=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
name=$(basename "${config%.*}")
home=$volume/trained/$name

# The manifest is the last thing that a run writes.
if [[ -f $home/manifest.json ]]; then
  echo "finished: $home/report.html (to train anew, delete the folder or name the config's file otherwise)"
  exit 0
fi

install() {
  local extras=${TITHE_EXTRAS-minilm} wanted
  # Of the code only its requirements count: the code itself is used from where it lies.
  wanted=$({
    python3 --version
    echo "$code $extras"
    cat "$code/pyproject.toml" "$code/constraints.txt"
  } | sha256sum)
  if [[ -f $volume/venv/.installed && $(<"$volume/venv/.installed") == "$wanted" ]]; then
    return
  fi
  echo "installing tithe into $volume/venv" >&2
  python3 -m venv "$volume/venv"
  "$python" -m pip install --quiet --disable-pip-version-check -c "$code/constraints.txt" -e "${code}[$extras]" >&2
  echo "$wanted" >"$volume/venv/.installed"
}

python=${TITHE_PYTHON:-$volume/venv/bin/python}
[[ -n ${TITHE_PYTHON:-} ]] || install

export TITHE_CACHE=${TITHE_CACHE:-$volume/cache} HF_HOME=${HF_HOME:-$volume/huggingface}
cd "$volume"

# Tokens. The file is read, not executed, and what the environment has already counts before it.
mapfile -d '' -t variables < <("$python" -c '
import os, pathlib, sys
from tithe import configfile, errors
try:
    found = configfile.dotenv(pathlib.Path(".env"))
except errors.InputError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)
for name, value in found.items():
    if name not in os.environ:
        print(name, value, sep="=", end="\0")
')
wait "$!" # for the reader's exit code, which the line above leaves unseen
for variable in "${variables[@]}"; do
  export "${variable?}"
done

options=()
if [[ -n ${TITHE_DATASET:-} ]]; then
  read -ra dataset <<<"$TITHE_DATASET"
  path=$("$python" -m tithe fetch "${dataset[@]}")
  options=(--set "data.path=$path")
fi

# In place of this shell, so that the signal of a machine about to be taken away reaches the training, which saves.
exec "$python" -m tithe train "$config" --out "$home" --resume auto "${options[@]}" "$@"
