#!/usr/bin/env bash
# check_site.sh FOLDER: fail if a page of the site would load a script, style, font or picture from the network.
set -euo pipefail
cd "$1"
pages='(<(script|img|iframe|source|video)[^>]*src|<link[^>]*href)="?(https?:)?//'
styles='(@import|url\()[ "'"'"']*(https?:)?//'
if grep -rnoE "$pages" --include='*.html' . || grep -rnoE "$styles" --include='*.css' .; then
    echo "the site would load the above from the network; keep such files in docs/" >&2
    exit 1
fi
