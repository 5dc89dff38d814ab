#!/usr/bin/env bash
# clean_cache.sh: deletes what set-up put into the cache folder, and the folder if nothing else is in it.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# By name, so that a STOPLINE_CACHE set to somebody's home loses nothing else.
for name in lib bin models licences stamps venv node .lock; do
  rm -rf "${CACHE:?}/$name"
done
rm -rf "${CACHE:?}"/node-[0-9]* "${CACHE:?}"/.work.??????
rmdir "$CACHE" 2>/dev/null || say "left in $CACHE: $(ls -A "$CACHE" 2>/dev/null || echo nothing)"
say "cache cleaned: $CACHE"
