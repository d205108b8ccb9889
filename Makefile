# Two commands matter: `make demo` and `make test`. Both set up what they need (tools/bootstrap); the logic is in
# tools/ and noxfile.py.

export LC_ALL := C.UTF-8
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
NOX := .venv/bin/nox --non-interactive
PLAYBOOK := .venv/bin/ansible-playbook

.PHONY: help setup setup-demo demo demo-clean test test-all molecule bench docs clean

help:
	@echo 'make demo        prepare this machine as a KVM host and boot a declared guest on it'
	@echo 'make demo-clean  take away what the demo made'
	@echo 'make test        the whole test suite'
	@echo 'make test-all    and what takes longer: all of molecule, more versions, benchmarks'
	@echo 'make molecule    the roles on machines of their own, Debian 12 and 13'
	@echo 'make bench       what a task costs, in milliseconds'
	@echo 'make docs        write the generated option docs'
	@echo 'make setup       only set up .venv for development'
	@echo 'make clean       remove what setup and tests made in this directory'

setup:
	@tools/bootstrap test

setup-demo:
	@tools/bootstrap demo

demo: setup-demo
	@$(PLAYBOOK) playbooks/demo.yml

demo-clean: setup-demo
	@$(PLAYBOOK) playbooks/demo_clean.yml

test: setup
	@.venv/bin/python tools/suite.py

test-all: setup
	@.venv/bin/python tools/suite.py --all

molecule: setup
	@$(NOX) -s molecule_all

bench: setup
	@$(NOX) -s bench

docs: setup
	@$(NOX) -s docs

clean:
	rm -rf .build .nox .venv dist tests/output .mypy_cache .pytest_cache .ruff_cache .hypothesis
