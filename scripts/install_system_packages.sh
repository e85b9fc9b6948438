#!/usr/bin/env bash
# Install what scripts/system-packages.txt lists, or say in one line how to.
set -euo pipefail
cd "$(dirname "$0")"

mapfile -t wanted < <(grep -v '^#' system-packages.txt)
missing=()
if command -v dpkg-query >/dev/null; then
    for package in "${wanted[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
            missing+=("$package")
    done
else
    missing=("${wanted[@]}")
fi
[ ${#missing[@]} = 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]}"
    if apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; then
        exit 0
    fi
fi
echo "Tests of the windows and of RELION want these system packages; copy this line:"
echo "    sudo apt-get install ${missing[*]}"
