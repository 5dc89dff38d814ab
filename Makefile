SHELL := /bin/bash
# `make` lists what there is. Settings: STOPLINE_CACHE (fetched libraries and models, default ~/.cache/stopline).

.DEFAULT_GOAL := help
.PHONY: help setup ui build demo test crash audit bench clean-cache

# Handed over by the environment, never on a line that make or a log shows: a camera's address may hold a password.
export DURATION CAMERA CLIP SCENE KILLS

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  make demo DURATION=90                    ends by itself, with a summary and an exit status"
	@echo "  make demo CAMERA=rtsp://user:pw@host/…   watches a camera of yours"
	@echo "  make demo CLIP=film.mp4                  streams a clip of yours"
	@echo "  make demo CLIP=… SCENE=camera.toml       with the [scene] of a camera file"

setup: ## fetch what a build and the demo need: system packages, ONNX Runtime, libchdb, models, the page
	@scripts/setup.sh

ui: ## build the page (web/ui) when its sources have changed
	@scripts/ui.sh

build: setup ## release build: target/release/stopline
	@. scripts/env.sh && cargo build --release --locked

demo: ## set-up, build, and the whole path on simulated cameras
	@scripts/demo.sh

test: ## everything that must hold: formats, lints, licences, tests, page
	@scripts/test.sh

crash: ## kills edge, sink and ClickHouse at random, KILLS=100 times, and looks for a lost or doubled event
	@scripts/setup.sh --test && . scripts/env.sh && STOPLINE_CRASH_KILLS=$${KILLS:-100} \
	  cargo test --locked -p stopline-store --examples --test kafka -- --nocapture the_whole_path

audit: ## known vulnerabilities in the dependencies (asks the RustSec database on GitHub)
	@scripts/setup.sh --test && . scripts/env.sh && cargo-deny --locked check

bench: setup ## figures of this machine, beside what the libraries do alone (benches/RESULTS.md)
	@. scripts/env.sh && cargo build --release --locked && "$${CARGO_TARGET_DIR:-target}/release/stopline" bench

clean-cache: ## delete everything set-up has fetched and built outside the checkout
	@scripts/clean_cache.sh
