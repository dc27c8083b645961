# SPDX-License-Identifier: Apache-2.0
# InnerWarden. `make help` lists what there is; README.md says where to begin.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
ARGS ?=

.PHONY: help build run test replay-qa test-kernel test-vm test-installed test-faults fuzz check gen lock sbom bpf bpf-record bench bench-compare heap-budget deb deb-check dev clean

help: ## list the targets
	@echo "InnerWarden: make TARGET [ARGS='...']"
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## set everything up: packages when missing, .venv, dependencies, native extensions
	@.ci/setup build

run: build ## start sensor, agent and dashboard in the foreground, observe only (ARGS='--for 60')
	@if [ "$$(id -u)" = 0 ]; then exec .venv/bin/innerwarden run $(ARGS); \
	elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then \
	  echo "starting as root through sudo: the kernel shows events to root only"; \
	  exec sudo .venv/bin/innerwarden run $(ARGS); \
	else echo "not root and no sudo: the kernel source stays off, log files are read where permitted"; \
	  exec .venv/bin/innerwarden run $(ARGS); fi

test: ## run the tests; kernel and browser tests run where they can, a skip says why (ARGS='-k ssh')
	@.ci/setup test
ifeq ($(ARGS),)
	@failed=0; $(PY) -m pytest -n $$(nproc) --dist loadfile --no-loadscope-reorder -m 'apart or not kernel and not browser' || failed=1; \
	IW_PRINT_RSS=1 $(PY) -m pytest -m '(kernel or browser) and not apart' || failed=1; exit $$failed
else
	@IW_PRINT_RSS=1 $(PY) -m pytest $(ARGS)
endif

test-faults: ## break disks, files, clocks and processes under the daemons; writes the table of docs/reliability.md
	@.ci/setup test
	@IW_FAULTS_JSON=tests/faults/results.json $(PY) -m pytest -m fault $(ARGS); code=$$?; \
	$(PY) -m tests.faults && exit $$code

replay-qa: ## exact findings of cases, sample logs and captures; CORPORA=<dir>: and of third-party corpora
	@.ci/setup test
	@CORPORA='$(CORPORA)' $(PY) -m tests.replay $(ARGS)

test-kernel: ## run only the tests that need root and this machine's kernel
	@.ci/setup test
	@$(PY) -m pytest -m kernel $(ARGS)

test-vm: ## try every hook and run the kernel tests on Debian's kernels in QEMU (ARGS='5.10 6.1 6.12 newest')
	@.ci/setup vm
	@$(PY) -m tests.vm.run $(ARGS)

test-installed: ## install the package on a fresh Debian 12 in QEMU and use it (ARGS=FILE: that .deb; '--release trixie': Debian 13; else make deb; ARCH=arm64: on that processor)
	@.ci/setup installed
	@$(if $(ARGS),true,$(MAKE) --no-print-directory deb)
	@$(PY) -m tests.installed.run $(if $(ARCH),--arch $(ARCH)) $(ARGS)

check: ## formatting, lint, types, generated files, kernel object, contracts
	@.ci/setup test
	@.ci/check

gen: ## write the declarations derived from bpf/include/iw_event.h, and the tables of docs/
	@python3 bpf/tools/gen.py
	@if [ -x $(PY) ]; then $(PY) -m tests.catalogue && $(PY) -m tests.correlations; else echo "the tables of docs/ are left as they are: they need make build"; fi

lock: ## write requirements/*.lock from pyproject.toml (ARGS=--upgrade: the newest)
	@mkdir -p build
	@.ci/lock $(ARGS)

sbom: ## write build/sbom.cdx.json: the parts of the product, their digests and licences
	@.ci/setup build
	@$(PY) -m tests.sbom build/sbom.cdx.json

bpf: ## rebuild the kernel objects that are shipped (installs clang-14 and bpftool when missing; ARCH=aarch64: only that)
	@.ci/setup bpf
	@for arch in $(or $(ARCH),$(notdir $(wildcard bpf/objects/*))); do \
	  PATH="$$PATH:/usr/sbin" $(MAKE) -C bpf ARCH=$$arch || exit; done

bpf-record: ## write bpf/verified.json: what the verifier processes here and on Debian's kernels (ARGS='6.1 newest')
	@.ci/setup vm
	@$(PY) -m tests.vm.verified
	@$(PY) -m tests.vm.run --record $(or $(ARGS),6.1 newest)

fuzz: ## fuzz everything that reads input from outside, 60 s each (ARGS='--seconds 5 dns tls'; CORPORA=<dir> for more seeds)
	@.ci/setup fuzz
	@CORPORA='$(CORPORA)' $(PY) -m tests.fuzz $(ARGS)

bench: ## every row of speed, cost and loss beside its peer, see bench/README.md (ARGS=--quick: a look)
	@.ci/setup bench
	@$(PY) -m bench $(ARGS)

bench-compare: ## the same, and fail when a gate is missed or a ratio fell below bench/results/baseline.json
	@.ci/setup bench
	@$(PY) -m bench --compare $(ARGS)

heap-budget: ## memory of sensor and agent under load, and that it is flat (ARGS=--quick, --leak, --allocator)
	@.ci/setup bench
	@$(PY) -m bench.heap $(ARGS)

deb: ## build the Debian package of this release into dist/ (SUITE=trixie, ARCH=arm64: for that one, as root)
	@.ci/setup $(if $(SUITE)$(ARCH),elsewhere,deb)
	@debian/tools/$(if $(SUITE)$(ARCH),elsewhere $(or $(SUITE),$$(. /etc/os-release && echo $$VERSION_CODENAME)) $(or $(ARCH),$$(dpkg --print-architecture)),package)

deb-check: deb ## lintian, piuparts (as root), and whether a second build elsewhere gives the same bytes
	@.ci/setup debcheck
	@debian/tools/check-package

dev: ## a checkout to work in: everything that test and check need, then what to do next
	@.ci/setup test
	@echo "ready. Run the product: make run   tests: make test   before a commit: make check"
	@echo "read CONTRIBUTING.md and the README of the room that you are about to change"

clean: ## remove the virtual environment, build output and caches
	rm -rf .venv build bpf/build *.egg-info core/*.egg-info
	rm -f bench/results/2*.json
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find core -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
