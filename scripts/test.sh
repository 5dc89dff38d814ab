#!/usr/bin/env bash
# test.sh: everything that must hold before a change is taken; `make test` and the CI run this and nothing else.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/stages.sh
source "$ROOT/scripts/stages.sh"
cd "$ROOT"

python_tests() { "$VENV/bin/python" -m pytest -q -p no:cacheprovider "$@"; }
documentation() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked; }
# In real Chromium against the API over made-up cases; `cargo test` has built the server.
page() {
  local target=${CARGO_TARGET_DIR:-$ROOT/target}
  cd web/ui
  npm run check
  STOPLINE_SAMPLE=$target/debug/examples/sample_backend npm run e2e
}
# No `advisories`: their database lies on GitHub, which a closed network does not reach; `make audit` asks it.
licences() { cargo-deny --locked check licenses bans sources; }

stage "set-up" scripts/setup.sh --test
# Node may have come only now.
source "$ROOT/scripts/env.sh"
stage "scripts" shellcheck -x scripts/*.sh .ci/run
stage "format" cargo fmt --all --check
stage "licences and boundaries" licences
stage "set-up's promises" python_tests scripts/tests
stage "simulated cameras" python_tests simulator/tests
stage "model building" python_tests models/build
stage "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
stage "documentation" documentation
stage "Rust tests" cargo test --workspace --locked
stage "page" page
