#!/usr/bin/env bash
# Print a Python 3.10, 3.11 or 3.12 that has venv and tkinter (Scipion registers no protocols
# without tkinter). $PYTHON is taken first. Where none is found and this is root with apt-get, the
# distribution's own is completed.
set -euo pipefail

suits() {
    "$1" - >/dev/null 2>&1 <<'PY'
import sys
import ensurepip, tkinter, venv
sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))
PY
}

find_one() {
    local name path
    for name in ${PYTHON:-} python3.11 python3.10 python3.12 python3; do
        while read -r path; do
            if suits "$path"; then
                "$path" -c "import sys; print(sys.executable)"
                return 0
            fi
        done < <(type -aP "$name" || true)
    done
    return 1
}

find_one && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing python3, python3-venv and python3-tk" >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        python3 python3-venv python3-tk; } >&2
    find_one && exit 0
fi
echo "gmmflex needs Python 3.10, 3.11 or 3.12 with venv and tkinter. On Debian or Ubuntu:" >&2
echo "    sudo apt-get install python3 python3-venv python3-tk" >&2
exit 1
