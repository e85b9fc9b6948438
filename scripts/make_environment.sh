#!/usr/bin/env bash
# make_environment.sh FOLDER CONSTRAINTS EXTRAS: a virtual environment with this project in it.
# One pip install resolves everything together: installed one after the other, packages would move
# numpy away from the version that Scipion needs. A second call is quick while nothing has changed.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1 constraints=$2 extras=$3

stamp="$folder/made_from"
state=$({ echo "$PWD $extras ${PYTHON:-}"; cat setup.py "$constraints" gmmflex/version.py; } | cksum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$state" ] && "$folder/bin/python" -c ''; then
    exit 0
fi

python=$(scripts/find_python.sh)
echo "making $folder with $python (some minutes, once)"
started=$SECONDS
rm -rf "$folder"
"$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint "$constraints" --editable ".[$extras]"
"$folder/bin/python" -m pip check
echo "$state" > "$stamp"
echo "made $folder in $((SECONDS - started)) s"
