# Axon's commands. Each is a few lines of Python in .dev/axon_dev, which needs nothing installed.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run up up-gpu down test test-compose check check-quality fmt setup proto demo-model labels bench bench-docs fuzz soak lock clean

# Variables given on the command line (make run AXON_PORT=8080) reach the commands through the environment.
DEV := @sh .dev/launch.sh

help: ## Show this
	@echo "make TARGET [VARIABLE=value ...]"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'
	@echo
	@sed -n 's/^#: \([A-Z_]*\) *\(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-24s %s\n", $$1, $$2 }'

run: ## Start Axon here and print its URL; Ctrl-C stops all of it
	$(DEV) run

up: ## Start Axon in containers, for others too, and leave it running (settings: .env)
	$(DEV) up

up-gpu: ## The same on an NVIDIA GPU, with GPT-2 small
	$(DEV) up-gpu

down: ## Stop what `make up` started; labels, rooms and models are kept
	$(DEV) down

test: ## Run every test: Python, page, browser (sets itself up; ARGS="-k name" goes to pytest)
	$(DEV) test

test-compose: ## Build the images and test the whole from outside (needs a Docker Engine; takes minutes)
	$(DEV) test-compose

check: ## Check format, lint, types, the contract and its stubs
	$(DEV) check

check-quality: ## Check any running server from outside: AXON_URL, or the one that `make run` started
	$(DEV) check-quality

fmt: ## Format everything
	$(DEV) fmt

setup: ## Only what `make run` does before it starts anything
	$(DEV) setup

proto: ## Generate the stubs of proto/axon/v1 anew
	$(DEV) proto

demo-model: ## Train the bundled model and its SAEs anew (about 90 minutes on two cores; goes on after a stop)
	$(DEV) demo-model

labels: ## Fetch labels ahead from Neuronpedia (SOURCE=gpt2-small/8-res-jb, TO=folder for another machine)
	$(DEV) labels

bench: ## Measure how fast it is here, in about twenty minutes (ARGS="--quick", ARGS="--only KEY,...")
	$(DEV) bench

bench-docs: ## Write docs/performance.md from the results in docs/performance
	$(DEV) bench-docs

fuzz: ## Give each kind of hostile input many more than the tests do (ARGS="--inputs 100000 --kind NAME")
	$(DEV) fuzz

soak: ## Kill gateways and Redis under 200 viewers for ten minutes, and see that nobody misses a frame
	$(DEV) soak

lock: ## Compile requirements.lock anew (ARGS=--upgrade renews the versions)
	$(DEV) lock

clean: ## Remove all that make made: .venv, the built page, fetched labels, logs, Redis' data, the measured model
	$(DEV) clean

#: AXON_PORT        The page's port: 8000
#: AXON_GRPC_PORT   The gRPC port: 50051
#: AXON_HOST        The address to listen on: 127.0.0.1 (0.0.0.0 lets other machines in)
#: AXON_MODEL       A name (gpt2-small), a Hugging Face folder or repository: the bundled model
#: AXON_SOURCES     Its SAEs, comma separated: all of the bundled model's, or one of the model's own
#: AXON_BACKENDS    Inference services running elsewhere (gpu1:50051,gpu2:50051), in place of one started here
#: AXON_LABELS      A folder of label files in Neuronpedia's export format: what `make labels` fetched
#: AXON_LABEL_OVERRIDES  A JSON file of labels that come before all others
#: AXON_NEURONPEDIA_EXPORT  Where labels are fetched from on first use: Neuronpedia's bulk export; empty: nowhere
#: AXON_NEURONPEDIA_API  Where single labels are asked for that it lacks; empty: nowhere
#: AXON_REDIS_URL   A Redis for labels, and for rooms shared with other gateways: one started for this run
#: AXON_GENERATE_TOKENS Access tokens, one of which is needed to generate: nobody needs one
#: AXON_JOIN_TOKENS Access tokens, one of which is needed to watch: nobody needs one
#: AXON_URL         The server that `make check-quality` looks at: http://127.0.0.1:8000 (with ?access=TOKEN if need be)
#: AXON_LOG_LEVEL   How much the services log: info
#: AXON_LOG_FORMAT  How the services log: plain, or json
#: AXON_METRICS_PORT Where Prometheus finds the queue's length of inference: nowhere
#: AXON_GRPC_TOKENS Access tokens, one of which is needed to call gRPC: nobody needs one
#: AXON_GRPC_TLS_CERT A certificate (PEM), so that gRPC is called over TLS; with AXON_GRPC_TLS_KEY
#: PYTHON           The Python to make .venv with: the first 3.11 or 3.12 on PATH
#: TORCH            The build of torch: cpu, or cuda (Linux with an NVIDIA GPU, several GB)
#: ARGS             Further arguments, where a target says so
