# Everything is done by tools/bootstrap.py, which also works where there is no make.
PYTHON ?= $(or $(shell for each in python3 python3.13 python3.12 python3.11; do \
	command -v $$each >/dev/null && echo $$each && break; done),python3)

.PHONY: help setup demo test mutants soak soak-operations up bench gallery
help:
	@echo "make setup   create .venv with everything in it (the others do it by themselves)"
	@echo "make demo    see it work in a simulated world: no key, no account, no server"
	@echo "             make demo ARGS='--ui-port 4000 --admin-port 4001 --world-port 4010': on other ports"
	@echo "make up      the real thing: needs LOL_RIOT_API_KEY, a team and a channel; takes ARGS, too"
	@echo "make test    every check and every test"
	@echo "make mutants alters the code in one place at a time: what does no test notice? (an hour; goes on where it stopped)"
	@echo "make soak    the long proofs: of delivery, every fault at every point, 1,000 messages; of several hosts (40 minutes)"
	@echo "make soak-operations   an hour of everything together, under fault injection"
	@echo "make bench   the benchmarks: a table, and bench.json"
	@echo "make gallery draws docs/messages.md: every kind of message as a phone shows it"

setup demo test mutants soak soak-operations up bench gallery:
	@$(PYTHON) tools/bootstrap.py $@
