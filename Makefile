# Axon's commands.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run up up-gpu down bundle pin test test-nightly test-compose check check-quality fmt setup install chromium evals proto demo-model labels bench bench-gpu bench-docs fuzz soak lock clean
CHECKS := check-format check-lint check-contract check-stubs check-layers check-types check-page check-audit
.PHONY: $(CHECKS)

# What must work before anything is installed is Python, in .dev, that .dev/launch.sh starts. Variables given on the command
# line (make run AXON_PORT=8080) reach all commands through the environment.
VENV_PYTHON := .venv/bin/python
# .venv/bin has Node and Redis.
WITH_VENV := PATH="$(CURDIR)/.venv/bin:$$PATH"
NPM := cd frontend && $(WITH_VENV) npm --silent
PYTEST := $(WITH_VENV) python -m pytest </dev/null
COMMA := ,

help: ## Show this
	@echo "make TARGET [VARIABLE=value ...]"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'
	@echo
	@sed -n 's/^#: \([A-Z_]*\) *\(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-24s %s\n", $$1, $$2 }'

run: ## Start Axon here and print its URL; Ctrl-C stops it
up: ## Start Axon in containers, in the background; other machines can reach it (settings: .env.example)
up-gpu: ## The same with GPT-2 small on an NVIDIA GPU
setup: ## Install and build what `make run` needs, without starting it
lock: ## Recompile requirements.lock and .dev/requirements/*.lock (ARGS=--upgrade takes newer versions)
run up up-gpu setup lock install chromium evals:
	@sh .dev/launch.sh $@

down: ## Stop the containers; labels, rooms and models are kept
	@docker compose --progress quiet --profile "*" down --remove-orphans
	@echo "Labels, rooms and models are kept (docker compose down --volumes removes them)."

bundle: ## Save images, models and settings for a machine without internet (TO=axon-bundle, a new folder)
	@sh deploy/bundle.sh

pin: ## Write the present digests of the base images into the Dockerfiles and compose.yaml (needs internet)
	@sh .dev/launch.sh $@

# pytest runs last, so that its summary is the last line. Neighbours share fixtures: each worker takes a run of tests.
test: setup chromium ## Run all quick tests: Python, page, browser (installs what it needs; ARGS="-k name" goes to pytest)
	@($(NPM) test </dev/null); page=$$?; $(PYTEST) -n auto --dist worksteal $(ARGS) || exit; \
	  [ $$page = 0 ] || { echo "axon: The page's unit tests failed; see above." >&2; exit 1; }

test-nightly: setup chromium evals ## Run the slow tests: training, a soak, evaluations, more fuzz inputs, what a frame costs
	@$(PYTEST) -m nightly $(ARGS); slow=$$?; AXON_FUZZ_INPUTS=2000 $(PYTEST) tests/fuzz && exit $$slow

test-compose: ## Build the images, start the containers and test them (needs a Docker Engine; about ten minutes)
	@if docker compose ls >/dev/null; then $(MAKE) --no-print-directory setup chromium && $(PYTEST) tests/compose $(ARGS); \
	  elif [ "$$CI" ]; then echo "test-compose: skipped, because no Docker Engine answers here."; else exit 1; fi

check: install ## Check format, lint, types, layers, the gRPC contract and its stubs, known vulnerabilities
	@$(MAKE) --keep-going --no-print-directory $(CHECKS) || \
	  { echo "axon: make check failed; see above. (make fmt fixes format and simple lint.)" >&2; exit 1; }

check-format:
	@.venv/bin/ruff format --check

check-lint:
	@.venv/bin/ruff check

check-contract:
	@cd proto && ../.venv/bin/buf lint && echo "The contract passes buf lint"
	@tag=$$(git describe --tags --abbrev=0 2>/dev/null) || \
	  { echo "The contract is compared with nothing: no tag is here yet"; exit 0; }; \
	  git=$$(git rev-parse --path-format=absolute --git-common-dir); \
	  cd proto && ../.venv/bin/buf breaking --against "$$git#tag=$$tag,subdir=proto" && \
	  echo "The contract is compatible with $$tag"

check-stubs:
	@$(VENV_PYTHON) proto/generate.py --check

check-layers:
	@.venv/bin/lint-imports --no-cache

check-types:
	@$(VENV_PYTHON) -m mypy

check-page:
	@$(NPM) run check

check-audit:
	@sh .dev/launch.sh audit

check-quality: install ## Check a running server from outside: the one at AXON_URL, or the one that `make run` started
	@$(VENV_PYTHON) -m tests.quality $(ARGS)

fmt: install ## Format everything
	@.venv/bin/ruff check --fix; code=$$?; .venv/bin/ruff format && (cd proto && ../.venv/bin/buf format --write) && \
	  ($(NPM) run format) && exit $$code

proto: install ## Regenerate the gRPC stubs of proto/axon/v1
	@$(VENV_PYTHON) proto/generate.py

demo-model: install ## Train the bundled model and its SAEs again (over two hours on two cores; a stopped run resumes)
	@cd inference && ../$(VENV_PYTHON) -m demo_model && ../$(VENV_PYTHON) -m demo_model.examples
	@rm -rf build/map; AXON_MAP_FOLDER=build/map $(VENV_PYTHON) -m axon_inference map && mv build/map/*.npz inference/demo_model/map.npz
	@$(VENV_PYTHON) -m tests.steering.capitals && $(VENV_PYTHON) -m tests.steering.causes

labels: ## Download labels from Neuronpedia in advance (SOURCE=gpt2-small/8-res-jb, TO=folder to copy elsewhere)
	@test -n "$(SOURCE)" || \
	  { echo "axon: SOURCE is missing. For example: make labels SOURCE=gpt2-small/8-res-jb" >&2; exit 1; }
	@sh .dev/launch.sh install
	@$(VENV_PYTHON) -m axon_gateway labels $(subst $(COMMA), ,$(SOURCE)) $(if $(TO),--to "$(TO)",$(if $(AXON_REDIS_URL),,--to .axon/labels))

bench: install ## Run the benchmark on this machine, about twenty minutes (ARGS="--quick", ARGS="--only KEY,...")
	@$(VENV_PYTHON) -m tests.bench $(ARGS)

# It installs nothing: any Python whose torch sees the GPU will do, also on a machine without a network.
bench-gpu: ## Measure on an NVIDIA GPU, at most nine minutes: parity, speed, memory, timelines (installs nothing; ARGS=--rehearse)
	@PATH="$(CURDIR)/.venv/bin:$$PATH" PYTHONPATH=proto:inference HF_HUB_OFFLINE=1 \
	  $(or $(PYTHON),python3) -m tests.bench.gpu $(ARGS)

bench-docs: install ## Write docs/performance.md from the results in docs/performance
	@$(VENV_PYTHON) -m tests.bench.docs

fuzz: install ## Run the fuzz tests with many more inputs (ARGS="--inputs 100000 --kind NAME")
	@$(VENV_PYTHON) -m tests.fuzz $(ARGS)

soak: install ## Kill gateways and Redis under 200 viewers for ten minutes; check that no viewer misses a frame
	@$(VENV_PYTHON) -m tests.soak $(ARGS)

clean: ## Remove what make created: .venv, the built page, labels, logs, Redis' data, caches, the benchmark's model
	@rm -rf .venv .axon build frontend/dist frontend/node_modules .pytest_cache .mypy_cache .ruff_cache

#: AXON_PORT        Port of the page (default: 8000)
#: AXON_GRPC_PORT   Port of gRPC (default: 50051)
#: AXON_HOST        Address to listen on (default: 127.0.0.1; 0.0.0.0 lets other machines connect)
#: AXON_MODEL       A name (gpt2-small), a Hugging Face folder or repository (default: the bundled model)
#: AXON_SOURCES     The model's SAEs, comma separated (default: the bundled model's SAEs, or one known for the model)
#: AXON_BACKENDS    Inference services on other machines (gpu1:50051,gpu2:50051); none is started here then
#: AXON_LABELS      A folder of label files in Neuronpedia's export format (default: the one `make labels` filled)
#: AXON_LABEL_OVERRIDES  A JSON file of labels that take precedence over all others (default: none)
#: AXON_NEURONPEDIA_EXPORT  Where to download labels on first use (default: Neuronpedia's bulk export; empty: off)
#: AXON_NEURONPEDIA_API  Where to ask for single labels that the export lacks (default: Neuronpedia's API; empty: off)
#: AXON_REDIS_URL   Redis for labels and for rooms shared with other gateways (default: one started for this run)
#: AXON_GENERATE_TOKENS  Access tokens; a caller needs one of them to generate (default: none needed)
#: AXON_JOIN_TOKENS  Access tokens; a viewer needs one of them, or one to generate (default: none needed)
#: AXON_URL         The server that `make check-quality` checks (default: http://127.0.0.1:8000); may end in ?access=TOKEN
#: AXON_LOG_LEVEL   How much the services log: debug, info, warning or error (default: info)
#: AXON_LOG_FORMAT  Format of the services' logs: plain or json (default: plain)
#: AXON_METRICS_PORT  Port where inference serves metrics to Prometheus, such as its queue length (default: off)
#: AXON_GRPC_TOKENS  Access tokens; a gRPC caller needs one of them (default: none needed)
#: AXON_GRPC_TLS_CERT  Certificate (PEM) for gRPC over TLS; needs AXON_GRPC_TLS_KEY too (default: no TLS)
#: PYTHON           The Python that makes .venv (default: the one .venv has, else the first 3.11 to 3.13 on PATH)
#: TORCH            Build of torch: cpu, or cuda (Linux with an NVIDIA GPU, several GB)
#: ARGS             More arguments, for the targets whose help names them
