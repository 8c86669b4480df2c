# `make run` and `make test` do all set-up on a bare Debian 12 with a Rust toolchain.
# Always --release and --workspace: one profile and one choice of features, so RocksDB is compiled once.

# Outside the tree, and the same as in scripts/cargo: clones share what they compiled.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/keyraft/target
CARGO := scripts/cargo
BIN := $(CARGO_TARGET_DIR)/release
# Arguments for run, test, bench, sim, chaos, scan and fuzz: make test ARGS='-- lease'
ARGS ?=
# What nothing but scan and planted-bugs builds: looked at by lint all the same.
DANGER := node/danger-known-keys,chaos/danger-known-keys,chaos/danger-planted-bugs

.DEFAULT_GOAL := help
.PHONY: help upgrade etcd run build test verify fmt lint deny fix bench sim sim-long proofs planted-bugs chaos chaos-long scan migrations owner fuzz example setup

help: ## lists these targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 16

run: build ## starts three nodes on loopback (ARGS='--nodes 5 --fresh')
	@exec $(BIN)/keyraft dev $(ARGS)

build: setup ## compiles everything
	@$(CARGO) build --release --workspace --locked

test: setup ## runs every test and says how many
	@scripts/test $(ARGS)

verify: fmt lint deny test ## what "done" means; changes nothing

fmt: ## checks the formatting
	@$(CARGO) fmt --all --check

lint: setup ## clippy, every warning an error
	@$(CARGO) clippy --release --workspace --all-targets --locked -- -D warnings
	@$(CARGO) clippy --release --workspace --bins --test planted_bugs --locked --features $(DANGER) -- -D warnings

deny: ## licences, bans and sources of every dependency
	@scripts/setup tools
	@scripts/deny

fix: setup ## formats, and applies what clippy can repair
	@$(CARGO) clippy --release --workspace --all-targets --fix --allow-dirty --allow-staged
	@$(CARGO) fmt --all

bench: setup ## measures decoding and deriving
	@$(CARGO) bench --profile release --workspace --locked --bench '*' $(ARGS)

sim: build ## plays 2,000 simulated clusters (ARGS='--seed 7': one again)
	@exec $(BIN)/sim $(ARGS)

sim-long: build ## plays them in parts; writes docs/figures.md
	@for from in 0 250 500 750 1000 1250 1500 1750; do \
		$(BIN)/sim --from $$from --seeds 250 --figures docs/figures.jsonl $(ARGS) || exit; done

# On the binaries that the tests run against, so nothing is compiled for it. A fault that did not bite (exit
# status 2) says that this machine was too busy for it, and is told; it does not say that a promise was broken.
proofs: setup ## 300 simulated clusters, 3 minutes of faults on real nodes
	@$(CARGO) test --release --workspace --locked --no-run --quiet
	@$(BIN)/sim --seeds 300
	@$(BIN)/chaos --seconds 180 --faults all --seed 7 || test $$? = 2

# Nothing else turns the feature on; only raft-store and chaos are compiled again for it.
planted-bugs: setup ## puts known mistakes back: the simulator must notice each
	@PLANTED_FIGURES=$(CURDIR)/docs/figures.jsonl $(CARGO) test --release --workspace --locked \
		--features chaos/danger-planted-bugs --test planted_bugs -- --nocapture $(ARGS)

chaos: build ## does to real nodes what the machine allows, five minutes
	@exec $(BIN)/chaos --seconds 300 --faults all $(ARGS)

chaos-long: build ## the same for an hour; writes docs/figures.md
	@exec $(BIN)/chaos --seconds 3600 --faults all --figures docs/figures.jsonl $(ARGS)

etcd: build ## durable writes and the loss of a leader, beside an etcd
	@exec $(BIN)/etcd --figures docs/figures.jsonl $(ARGS)

upgrade: setup ## rolls a cluster to the next format and back, under load
	@scripts/upgrade

scan: setup ## searches memory, cores, disks and logs for keys
	@scripts/scan $(ARGS)

migrations: setup ## moves tenants to roots of every provider while nodes die
	@ACCEPTANCE_MIGRATIONS=all scripts/test --test acceptance -- migrations --nocapture $(ARGS)

owner: setup ## an owner's no, and its silence, at default pace
	@ACCEPTANCE_OWNER=all scripts/test --test acceptance -- owner:: --nocapture $(ARGS)

fuzz: setup ## feeds the decoders with anything (ARGS='request 600')
	@scripts/fuzz $(ARGS)

example: build ## runs examples/mongodb against a cluster of its own
	@scripts/example $(BIN)/keyraft

setup: ## installs the Debian packages that are missing
	@scripts/setup
