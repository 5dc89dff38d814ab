#!/usr/bin/env bash
# clean_clone.sh [SECONDS]: what a newcomer gets: the last commit in a new folder, nothing cached, `make demo` for so many
# seconds (90) and then `make test`. Takes tens of minutes and about 10 GB below TMPDIR while it runs.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/stages.sh
source "$ROOT/scripts/stages.sh"

duration=${1:-90}
[[ $duration =~ ^[1-9][0-9]*$ ]] || fail "clean_clone.sh: expected seconds, found '$duration'"

folder=$(mktemp -d "${TMPDIR:-/tmp}/stopline-clean.XXXXXX")
trap 'stage_table; rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [[ -n $(git -C "$ROOT" status --porcelain) ]]; then
  say "uncommitted changes in $ROOT are not part of the clone"
fi
export STOPLINE_CACHE=$folder/cache CARGO_TARGET_DIR=$folder/target
# Registry caches are emptied too: what is there by luck must not help.
export CARGO_HOME=$folder/cargo PIP_NO_CACHE_DIR=1 npm_config_cache=$folder/npm
PATH=$(dirname "$(command -v cargo)"):$PATH

stage "clone" git clone -q --no-hardlinks "$ROOT" "$folder/stopline"
cd "$folder/stopline"
stage "make demo DURATION=$duration" make demo DURATION="$duration"
stage "make test" make test
