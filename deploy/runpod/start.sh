#!/usr/bin/env bash
# Train on a rented machine that may be taken away: everything that must survive is on a volume. Started again, the
# same command resumes; once the training has finished, it prints that and does nothing.
#
#     deploy/runpod/start.sh CONFIG [options of tithe train]
#
# TITHE_VOLUME   folder that outlives the machine (/workspace); relative paths in the config start from it
# TITHE_DATASET  data set to train on, as arguments of `tithe fetch`; when unset, the config's own data file
# TITHE_EXTRAS   extras of tithe to install, separated by commas (minilm,tune)
# TITHE_PYTHON   a Python that has tithe; when set, nothing is installed
#
# Writes to the volume: venv/ cache/ huggingface/ and trained/NAME/, where NAME is the config's file name without suffix.
# Exit codes are those of tithe; 143 means that SIGTERM arrived and the state was saved.
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

# The manifest is the last file that a run writes.
if [[ -f $home/manifest.json ]]; then
  echo "finished: $home/report.html (to train again, delete the folder or rename the config file)"
  exit 0
fi

install() {
  local extras=${TITHE_EXTRAS-minilm,tune} requirements
  # Only the requirements matter: the install is editable, so the code itself is used in place.
  requirements=$({
    python3 --version
    echo "$code $extras"
    cat "$code/pyproject.toml" "$code/constraints.txt"
  } | sha256sum)
  if [[ -f $volume/venv/.installed && $(<"$volume/venv/.installed") == "$requirements" ]]; then
    return
  fi
  echo "installing tithe into $volume/venv" >&2
  python3 -m venv "$volume/venv"
  "$python" -m pip install --quiet --disable-pip-version-check -c "$code/constraints.txt" -e "${code}[$extras]" >&2
  echo "$requirements" >"$volume/venv/.installed"
}

python=${TITHE_PYTHON:-$volume/venv/bin/python}
[[ -n ${TITHE_PYTHON:-} ]] || install

export TITHE_CACHE=${TITHE_CACHE:-$volume/cache} HF_HOME=${HF_HOME:-$volume/huggingface}
cd "$volume"

# Tokens. The file is read, not executed; variables that are already set override it.
mapfile -d '' -t variables < <("$python" -c '
import os, pathlib, sys
from tithe import errors, storage
try:
    values = storage.dotenv(pathlib.Path(".env"))
except errors.InputError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)
for name, value in values.items():
    if name not in os.environ:
        print(name, value, sep="=", end="\0")
')
wait "$!" # for the reader's exit code, which mapfile ignores
for variable in "${variables[@]}"; do
  export "${variable?}"
done

options=()
if [[ -n ${TITHE_DATASET:-} ]]; then
  read -ra dataset <<<"$TITHE_DATASET"
  path=$("$python" -m tithe fetch "${dataset[@]}")
  options=(--set "data.path=$path")
fi

# exec replaces this shell, so that the signal sent before the machine is taken away reaches the training, which saves.
exec "$python" -m tithe train "$config" --out "$home" --resume auto "${options[@]}" "$@"
