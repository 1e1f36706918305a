# Targets for the load-test stack: `include loadtest.mk` in its Makefile, with compose.scale-seed.yaml in the same folder.

COMPOSE ?= docker compose -f docker-compose.yml -f compose.scale-seed.yaml --profile scale
SCALE_SEED = $(COMPOSE) run --rm -T scale-seed

.PHONY: loadtest-seed loadtest-verify loadtest-reset loadtest-clean loadtest-manifest
.PHONY: loadtest-scale-bulk loadtest-scale-agent loadtest-scale-heartbeats loadtest-scale-renewals

loadtest-seed: ## Load the fleet; a rerun changes nothing
	$(COMPOSE) run --rm --build -T scale-seed

loadtest-verify: ## Fail if a row differs in what a running stack does not write, or its times are over an hour old
	$(SCALE_SEED) verify --live --max-age 1h

# A pass of the server's that began before the reset writes back what it had read: then once more, for as long as one may take.
loadtest-reset: ## Restore the fleet after a scenario changed it, or load it
	for try in 1 2 3 4 5 6; do \
	  $(SCALE_SEED) reset --yes || exit; sleep 10; \
	  $(SCALE_SEED) verify && exit; test $$? = 4 || exit 1; sleep 60; \
	done; exit 4

loadtest-clean: ## Remove the fleet
	$(SCALE_SEED) clean --yes

loadtest-manifest: ## Write what the k6 scripts need to know about the fleet
	mkdir -p results
	$(SCALE_SEED) manifest > results/fleet.json

loadtest-scale-bulk: loadtest-reset ## bulk_renewal.js on a pristine fleet
	$(COMPOSE) run --rm k6-scale-bulk

loadtest-scale-agent: loadtest-reset ## agent_storm.js on a pristine fleet
	$(COMPOSE) run --rm k6-scale-agent

loadtest-scale-heartbeats: loadtest-reset loadtest-manifest ## agent-heartbeats.js on a pristine fleet
	$(COMPOSE) run --rm k6-fleet-heartbeats

loadtest-scale-renewals: loadtest-reset loadtest-manifest ## bulk-renewal.js on a pristine fleet
	$(COMPOSE) run --rm k6-fleet-renewals
