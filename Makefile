# make setup | check | demo | test [T=path] | test-browser | test-images | test-fuzz [N=12000] | test-lives [N=20000] | accepted [N=2000]
#      lint | bench B=name | docs | k8s | screenshots | sbom | image-caffe-cuda
#
# Everything lands under .venv, .cache and the user's cache (~/.cache/ftjob). No target needs anything but
# Python >= 3.11, make and, on Debian, apt; `setup` fetches the rest at the versions of requirements.lock.

UV_VERSION := 0.13.9
UV         := .cache/uv/bin/uv
PIP         = .cache/uv/bin/pip --disable-pip-version-check --python $(BIN)/python
BIN        := .venv/bin
TORCH_VERSION := 2.13.0
TORCH      ?= torch==$(TORCH_VERSION)# or TORCH="torch --index-url URL", for a build of another kind: not checked then
T          ?= tests
B          ?= overhead
NEEDS      := caffe or torch or store or cluster or browser or mlflow or root
APART      := browser# what `make test` leaves to targets of their own

# The machine's own certificates, which a network with a proxy of its own needs.
export UV_SYSTEM_CERTS := 1
# Where a container's image sets this, each of the thousands of processes here would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

# Lint computes while Caffe and PyTorch arrive, and while Kubernetes is compiled.
MAKEFLAGS += --jobs=2

.DEFAULT_GOAL := help
.PHONY: help setup engine torch mlflow bed demo check test test-browser test-images image-caffe-cuda test-fuzz test-lives accepted lint format bench docs screenshots k8s sbom lock proto clean

help:
	@sed -n '1,5p' Makefile

setup: .venv/.stamp

$(UV):
	./tools/bootstrap-uv .cache/uv

.venv/.stamp: requirements.lock pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python-preference only-system .venv
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

# Real Caffe, once per machine, into the user's cache.
engine: setup
	$(BIN)/ftjob engine install caffe

# PyTorch, of which uv's lock has nothing: an extra that tests and benchmarks take. A new lock takes it away.
torch: .venv/.torch

# Its wheel is kept: the tests put it into an image.
.venv/.torch: .venv/.stamp | $(UV)
	rm -rf .cache/torch
	$(PIP) download --quiet --no-deps --dest .cache/torch $(TORCH)
ifeq ($(origin TORCH),file)
	./tools/check-wheel .cache/torch/torch-*.whl tools/torch.txt $$($(PIP) config get global.find-links 2>/dev/null) $$PIP_FIND_LINKS
endif
	$(UV) pip install --quiet --python $(BIN)/python .cache/torch/torch-*.whl $(TORCH)
	touch $@

# The server that tests track runs in, apart from our packages: it needs pandas.
mlflow: .cache/mlflow/.stamp

.cache/mlflow/.stamp: tools/mlflow.txt | $(UV)
	$(UV) venv --quiet --allow-existing --python-preference only-system .cache/mlflow
	$(UV) pip sync --quiet --python .cache/mlflow/bin/python --require-hashes tools/mlflow.txt
	touch $@

# The tests' Kubernetes, compiled once per machine, into the user's cache. Where that cannot be, it prints why, and the
# tests of a cluster fail.
bed: setup
	-$(BIN)/python -m tests.cluster.bed build

demo: setup
	$(BIN)/python -m examples.digits.demo

# Before a commit, with nothing but `make setup`: lint, and the quick tests without a marker of tests/tiers.py. Some of
# them wait, so there is a process more than processors.
check: setup lint
	$(BIN)/pytest -n $$(($$(nproc) + 1)) --dist worksteal --hypothesis-profile check -m "not (slow or $(NEEDS))" $(T)

# The processes with the cluster's tests wait most of the time.
# Where fifty tests fail there is one cause, a full disk perhaps: what they print is needed, and not the rest.
test: setup bed lint engine torch mlflow
	$(BIN)/pytest -n $$(($$(nproc) + 2)) --dist worksteal --maxfail 50 -m "not ($(APART))" $(T)

# The pages, in Debian's Chromium: 120 MB of packages, once, unpacked into the cache. It prints the steps taken.
test-browser: setup torch
	$(BIN)/pytest -n $$(nproc) --dist worksteal -rP --log-level INFO -m browser $(T)

# What a run of all tests has no time for: Caffe with CUDA compiled by the Dockerfile (15 minutes on two cores, once),
# then the engine's laws on that very build, in CPU mode, and its image on the cluster: as it is, and in an installed
# ftjob, where the demo's spec trains in it.
test-images: setup engine torch
	$(BIN)/python -m tests.cluster.bed caffe-cuda
	FTJOB_ENGINES=$$($(BIN)/python -m tests.cluster.bed caffe-cuda)/opt/engines \
	$(BIN)/pytest -n auto --dist worksteal -m "caffe and not cluster" tests/engine tests/bundle tests/e2e/test_submit.py
	$(BIN)/pytest -n auto --dist worksteal tests/cluster/test_images.py
	FTJOB_TEST_WORKER=worker-caffe-cuda $(BIN)/pytest tests/cluster/test_installed.py

# Odd specs by the thousand: what plan accepts must end well (tests/accepted). N is a number of specs, or the
# folder of one that did not; SEED draws the same ones again.
accepted: N ?= 2000
accepted: setup engine torch
	$(BIN)/python -m tests.accepted $(N) $(SEED)

# Damaged files by the thousand: whatever a verb reads, it ends well (tests/fuzz). N and SEED as above.
test-fuzz: N ?= 12000
test-fuzz: setup engine torch
	$(BIN)/python -m tests.fuzz $(N) $(SEED)

# More random lives of runs and sweeps under a controller than `make test` has (tests/simulation). SEED as above.
test-lives: N ?= 20000
test-lives: setup
	$(BIN)/python -m tests.simulation runs $(N) $(SEED)
	$(BIN)/python -m tests.simulation sweeps $$(($(N) / 20)) $(SEED)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache   # its cache overlooks modules that are new
	$(BIN)/hadolint Dockerfile
	$(BIN)/shellcheck .ci/run examples/ci/retrain.sh tools/bootstrap-uv tools/check-wheel tools/compile-caffe

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup engine torch
	@$(BIN)/python -m benchmarks.$(B)

# The worker's image for GPUs, with BUILDER's build: half an hour, or CUDA_ARCH=37 for one kind of GPU.
BUILDER   ?= docker
CUDA_ARCH ?=
image-caffe-cuda:
	$(BUILDER) build --target worker-caffe-cuda --tag ftjob/worker-caffe-cuda \
	    $(if $(CUDA_ARCH),--build-arg CUDA_ARCH="$(CUDA_ARCH)") .

# The generated parts of docs/ and the README: command help, exit codes, spec fields.
docs: setup
	$(BIN)/python -m tools.docs

# The pictures in docs/pictures: every page and the screen of `watch`, light and dark.
screenshots: setup torch
	$(BIN)/python -m tools.screenshots

# What is inside, as CycloneDX: the lock's packages, PyTorch's, and the Debian packages of Caffe's bundle.
sbom: setup engine
	$(BIN)/python -m tools.sbom > sbom.json

# The generated parts of k8s/: the CustomResourceDefinition, the node profiles.
k8s: setup
	$(BIN)/python -m tools.k8s

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
          --no-annotate --no-header

# What `mlflow server` imports; the package mlflow has three times as much.
MLFLOW = mlflow-skinny flask flask-cors sqlalchemy alembic graphene aiohttp pandas

# requirements.lock anew; tools/{uv,torch,mlflow}.txt at the versions above or there, with their own first lines.
lock: $(UV)
	$(COMPILE) --upgrade --group dev pyproject.toml -o requirements.lock
	echo uv==$(UV_VERSION) | $(COMPILE) - | $(call below,tools/uv.txt)
	printf '%s\n' $(MLFLOW) | $(COMPILE) --constraint requirements.lock - | $(call below,tools/mlflow.txt)
	echo torch==$(TORCH_VERSION) | $(COMPILE) --constraint requirements.lock - | $(call below,tools/torch.txt)

below = { head -n 1 $(1); cat; } > $(1).new && mv $(1).new $(1)

proto: setup
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. ftjob/net/proto/caffe.proto

clean:
	rm -rf .venv .cache
