# The two commands: `make demo` shows Whiskers at work, `make test` checks everything. `make help` lists the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help demo test test-window test-models test-core check bench dataset train train-pi0 pictures constraints clean

PYTHON := .venv/bin/python
MUJOCO_4_PYTHON := .venv-mujoco4/bin/python
# A real X server that nobody sees, with a new display number each time. It must not reset itself between two windows.
UNSEEN := xvfb-run --auto-servernum --server-args="-screen 0 1920x1080x24 -noreset"
TESTS ?= tests
# Where dataset and training runs are written.
TRAINING ?= out/training

# An environment is made once and again only when what it is made of has changed: the stamps say when.
RUN_STAMP := .venv/.installed-run
DEV_STAMP := .venv/.installed-dev
MUJOCO_4_STAMP := .venv-mujoco4/.installed

help:  ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## */  make \1\t/p' Makefile | expand -t 24

demo: $(RUN_STAMP)  ## set up everything and open the demo; without a display: a recording, a screenshot and a video
	@$(PYTHON) -m viewer_app demo

test: check $(MUJOCO_4_STAMP)  ## lint, types, all tests with the real window, and the core once more on MuJoCo 4
	@$(MAKE) --no-print-directory --jobs=2 test-window test-models test-core

# Side by side, because hardly a test needs more than one core: those of policies and environments, which need no
# display, and all others. Of what runs beside, nothing is shown before its end.
MODEL_TESTS := $(filter-out %_panel.py, $(wildcard $(addprefix tests/test_, policy_*.py gym_*.py dataset_*.py \
    doctor.py mending*.py xray.py eval_parity.py stand_in.py teacher.py compare.py)))

test-window:
	$(UNSEEN) $(PYTHON) -m pytest $(TESTS) $(if $(filter tests,$(TESTS)),$(addprefix --ignore=,$(MODEL_TESTS)))

test-models:
	@$(if $(filter tests,$(TESTS)),$(call beside,.venv/tests.log,$(PYTHON) -m pytest $(MODEL_TESTS),Policies and environments))

test-core:
	@$(call beside,.venv-mujoco4/tests.log,$(MUJOCO_4_PYTHON) -m pytest -m core $(TESTS),The core on MuJoCo 4)

# $(call beside,LOG,COMMAND,WHAT)
beside = if $(2) > $(1) 2>&1; then echo; echo "$(3): $$(tail -n 1 $(1))"; else cat $(1); exit 1; fi

check: $(DEV_STAMP)  ## lint and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

bench: $(DEV_STAMP)  ## print the benchmark table
	@$(UNSEEN) $(PYTHON) -m viewer_app bench

dataset: $(DEV_STAMP)  ## record the demo's dataset with the scripted expert
	$(PYTHON) -m policies.training.record --out $(TRAINING)/dataset

train: $(DEV_STAMP)  ## train the demo's ACT on it with LeRobot's trainer, and put it where demo:act is
	$(PYTHON) -m policies.training.warm_start --dataset $(TRAINING)/dataset --out $(TRAINING)/warm_start
	$(PYTHON) -m policies.training.train --dataset $(TRAINING)/dataset --warm-start $(TRAINING)/warm_start --out $(TRAINING)/act
	$(PYTHON) -m policies.training.export $(TRAINING)/act/checkpoints/last/pretrained_model --out policies/demo/act

train-pi0: $(DEV_STAMP)  ## train the demo's tiny Pi0 on it with LeRobot's trainer, and put it where demo:pi0 is
	$(PYTHON) -m policies.training.warm_start_pi0 --dataset $(TRAINING)/dataset --out $(TRAINING)/warm_start_pi0
	$(PYTHON) -m policies.training.train_pi0 --dataset $(TRAINING)/dataset --warm-start $(TRAINING)/warm_start_pi0 --out $(TRAINING)/pi0
	$(PYTHON) -m policies.training.export $(TRAINING)/pi0/checkpoints/last/pretrained_model --out policies/demo/pi0

pictures: $(DEV_STAMP)  ## photograph the window for the documentation, and write the page of keys
	@$(UNSEEN) $(PYTHON) -m tests.pictures

constraints: $(DEV_STAMP)  ## resolve constraints.txt anew
	@uv="$$(.ci/uv)"; header="$$(grep '^#' constraints.txt)"; \
	{ echo "$$header"; printf 'mujoco==3.8.1\nmink==1.2.0\n' | "$$uv" pip compile pyproject.toml --all-extras --universal --quiet \
	    --python-version 3.12 --no-header --no-annotate --no-emit-index-url --no-emit-find-links --constraints - ; } \
	    > .venv/constraints.txt
	@mv .venv/constraints.txt constraints.txt

clean:  ## remove the environments and everything that was built
	rm -rf .venv .venv-* build dist out .pytest_cache .mypy_cache .ruff_cache

$(RUN_STAMP): pyproject.toml constraints.txt
	@.ci/system-libraries run
	@uv="$$(.ci/uv)"; \
	if ! $(PYTHON) -c 'import sys; sys.exit(not (3, 12) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then \
	    "$$uv" venv --quiet --clear --python "$$(.ci/python "$$uv")" .venv; \
	fi; \
	"$$uv" pip install --quiet --python $(PYTHON) --constraints constraints.txt --editable .
	@touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@.ci/system-libraries test
	@"$$(.ci/uv)" pip install --quiet --python $(PYTHON) --constraints constraints.txt --editable '.[dev,train,environments,remote,peft]'
	@touch $@

# The core without torch, lerobot and Dear PyGui, on the newest MuJoCo: seconds to install.
$(MUJOCO_4_STAMP): pyproject.toml constraints.txt
	@uv="$$(.ci/uv)"; \
	"$$uv" venv --quiet --clear --python "$$(.ci/python "$$uv")" .venv-mujoco4; \
	grep -v -e '^mujoco==' -e '^mink==' constraints.txt > .venv-mujoco4/constraints.txt; \
	"$$uv" pip install --quiet --python $(MUJOCO_4_PYTHON) --constraints .venv-mujoco4/constraints.txt --group mujoco4
	@touch $@
