# `make help` lists the targets. CI runs the same recipes.

PYTHON ?= python3
CARGO ?= cargo
DOCKER ?= docker

# Pinned tools (Go modules), and the name of the image that `make images` builds.
GHZ := github.com/bojand/ghz/cmd/ghz@v0.121.0
GRPCURL := github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4
IMAGE ?= strata
TAG ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

# What `make run` needs, and what operators use.
RUN := -p strata-layers -p strata-coordinator -p strata-cli
PROGRAMS := $(RUN) -p strata-node

# Where cargo puts the programs, and where they find ONNX Runtime from any working directory.
TARGET := $(or $(CARGO_TARGET_DIR),target)
export STRATA_ORT_LIB ?= $(CURDIR)/.ort/libonnxruntime.so

# The seed of `make train`.
SEED ?= 7
# The output of `make load`: a format of ghz (summary, html, json, csv, ...), and a file.
FORMAT ?= summary
OUT ?=

PYTHON_PACKAGES := python3 python3-pip python3-venv
# $(call make_venv,DIRECTORY)
define make_venv
@$(PYTHON) -m venv $(1) || { \
  echo "cannot make $(1) (Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
endef

.DEFAULT_GOAL := help
.PHONY: help ort venv tools build trainer run test fmt-check lint manifests unit peers \
  bench-programs bench bench-quick bench-micro report load train train-quick images fmt clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

ort: ## download the pinned ONNX Runtime into .ort
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) is missing (Debian and Ubuntu: apt-get install $(PYTHON_PACKAGES))" >&2; \
	  exit 1; }
	@$(PYTHON) tools/ort.py .ort

venv: .venv/.done ## install the Python tools of the tests into .venv
.venv/.done: tools/requirements.txt
	$(call make_venv,.venv)
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r tools/requirements.txt
	@touch $@

tools: venv ## build the pinned ghz and grpcurl into bin
	@tools/go-install.sh bin $(GHZ) $(GRPCURL)

build: ort ## build the services and strata (release profile)
	$(CARGO) build --release --locked $(PROGRAMS)

trainer: ort ## build the trainer, which strata models import, quantize and verify run
	$(CARGO) build --release --locked -p strata-trainer

# The catalogue of `make run`. With `research`, version 1 of each model: the research's own chain.
CATALOGUE ?= world
RUN_VERSIONS = $(if $(filter research,$(CATALOGUE)),STRATA_STRATEGIC_MODELS_VERSION=1 \
  STRATA_TACTICAL_MODELS_VERSION=1 STRATA_OPERATIONAL_MODELS_VERSION=1)

run: ort ## start the four services, replay the bundled trace, print the tables, stop them
	$(CARGO) build --release --locked $(RUN)
	$(RUN_VERSIONS) $(TARGET)/release/strata replay --up --catalogue $(CATALOGUE)

test: fmt-check manifests lint unit ## check formats, lints and manifests, and run every test

fmt-check:
	$(CARGO) fmt --all --check

lint: ort ## run clippy and rustdoc; warnings are errors
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

manifests: venv ## validate the Kubernetes manifests and the compose file
	.venv/bin/python tools/check_manifests.py k8s deploy/compose.yaml deploy/pod.yaml

# The end-to-end tests start the programs of the same profile, so that these are built first.
unit: ort venv tools
	$(CARGO) build --locked --workspace --bins
	$(CARGO) test --locked --workspace

peers: .venv-peers/.done ## install the Python servers of make bench into .venv-peers
.venv-peers/.done: tests/peers/requirements.txt
	$(call make_venv,.venv-peers)
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check \
	  -r tests/peers/requirements.txt
	@touch $@

# One command for all: crates that both need are built with one set of features.
bench-programs: ort
	$(CARGO) build --release --locked $(PROGRAMS) -p strata-bench
	$(CARGO) build --release --locked -p strata-runtime --example chain

bench: bench-programs peers ## measure services and peers in 12 minutes: target/bench/results.json
	$(TARGET)/release/strata-bench --json $(TARGET)/bench/results.json

bench-quick: bench-programs peers ## run the same measurements in half a minute, without precision
	$(TARGET)/release/strata-bench --quick --json $(TARGET)/bench/quick.json

bench-micro: ort ## measure encoding, decoding and gathering with criterion
	$(CARGO) bench --locked -p strata-wire --bench messages
	$(CARGO) bench --locked -p strata-runtime --bench batches

report: build ## compare the services with baselines on the trace: target/report/report.html
	$(TARGET)/release/strata report --out $(TARGET)/report

load: build tools ## load a running coordinator with ghz (FORMAT=html OUT=report.html)
	$(TARGET)/release/strata requests --limit 2000 --out tests/load/data.json
	bin/ghz --config tests/load/decide.json --format $(FORMAT) $(if $(OUT),--output $(OUT))

train: trainer ## make the models again: versions 1 and 2 of all three, and the formula as version 3
	$(TARGET)/release/trainer all --research --out models --seed $(SEED)
	$(TARGET)/release/trainer tactical --out models --seed $(SEED)
	$(TARGET)/release/trainer strategic --out models --seed $(SEED)
	$(TARGET)/release/trainer operational --out models --seed $(SEED)
	$(TARGET)/release/trainer formula --out models

train-quick: build trainer ## try training with tiny budgets in two minutes, without changing models
	tools/train-quick.sh $(TARGET)/release $(TARGET)/train-quick

images: ## build the container image
	$(DOCKER) build -f deploy/Dockerfile -t $(IMAGE):$(TAG) --build-arg VERSION=$(TAG) .

fmt: ## format the sources
	$(CARGO) fmt --all

clean: ## remove everything that was built or downloaded
	$(CARGO) clean
	rm -rf .ort .venv .venv-peers bin
