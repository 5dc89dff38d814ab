#!/usr/bin/env bash
# ui.sh: builds web/ui when its sources are newer than what was built; the web crate embeds web/ui/dist.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

ui=$ROOT/web/ui
work_folder

# The list npm writes when it has finished is the stamp of an installation.
if [[ ! $ui/node_modules/.package-lock.json -nt $ui/package-lock.json ]]; then
  (cd "$ui" && running "web/ui: npm ci" "$WORK/npm.log" npm ci --no-audit --no-fund --no-update-notifier)
fi

built=$ui/dist/index.html
if [[ -f $built ]] && [[ -z $(find "$ui" \( -path "$ui/node_modules" -o -path "$ui/dist" \) -prune -o -type f -newer "$built" -print -quit) ]]; then
  say "  web/ui: built already"
else
  (cd "$ui" && running "web/ui: npm run build" "$WORK/build.log" npm run build)
fi
