# storepulse: everything that is built, run and checked. `make` alone lists the targets.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
GO ?= go
PKGS ?= ./...
DURATION ?=
FUZZTIME ?= 10s
SOAK ?= 3m
SOAK_SEED ?= 0
SOAK_SCENARIO ?= faults
SOAK_NODES ?= 3
FUZZ ?= .
KAFKA_ADDR := 127.0.0.1:19092
# What needs Prometheus or Alertmanager: test-eyes runs it.
EYES := ^TestChecks$$|^TestAlerts$$|^TestLossesOfADay$$|^TestClocksAreMoved$$|^TestWeeksOfPromotions$$|^TestRoutes$$|^TestInhibition$$|^TestBackfill$$|^TestPanels$$|^TestOutagePages$$
# What test-kafka runs of internal/e2e; a house rule says what belongs here.
ON_KAFKA := TestAgreement TestALateInsertOfAFencedOwner TestAShopIsRemoved TestAZombieWakes TestBadRecords TestClickHouseRestoredFromABackup \
	TestGreatestEpoch TestJudge TestKill9 TestMostRowsAreRefused TestPaymentOutage TestRefusals TestRefusedRows TestReplay TestReplayInterrupted \
	TestRetentionAteAPlan TestRetentionAteDoneEpochs TestRowsLostWithThePower TestSettingsChangeAfterACrash \
	TestSnapshotsDamaged TestStorms TestTheGroupForgets TestTheLedgerIsNotPaperedOver TestTheTokenIsForgotten \
	TestTopicCreatedAgain TestTrace TestTwoOwnersDuel TestVerify
space := $(subst ,, )
# What test-kafka and test-eyes run, and a test that is only the body of another one's process.
ELSEWHERE := ^TestParentProcess$$|$(EYES)|$(if $(STOREPULSE_TEST_KAFKA),^$$,^TestKafkaKilled$$|^TestSecurityOnKafka$$|/^kafka$$)

.PHONY: help demo build test test-race test-kafka test-eyes test-compose promtools soak lint bench fuzz generate secrets up down kafka kafka-start kafka-stop clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## the whole product on this machine: Kafka, ClickHouse and shoppers embedded (DURATION=2m to stop by itself)
	bin/storepulse demo $(if $(DURATION),--duration $(DURATION))

build: ## bin/storepulse
	$(GO) build -ldflags '-X main.version=$(VERSION)' -o bin/storepulse ./cmd/storepulse

test: ## all tests that need no real Kafka (PKGS=./transform/...)
	$(GO) test -json -timeout 60m -skip '$(ELSEWHERE)' $(PKGS) | $(GO) run ./internal/tools/testsum

test-race: ## the same under the race detector
	$(GO) test -race -json -timeout 60m -skip '$(ELSEWHERE)' $(PKGS) | $(GO) run ./internal/tools/testsum

test-kafka: kafka-start ## the tests of Kafka behaviour on a real Kafka: starts it, runs them, stops it
	trap 'tools/kafka/kafka.sh stop' EXIT; \
	export CI=true STOREPULSE_TEST_KAFKA=$(KAFKA_ADDR) STOREPULSE_TEST_KAFKA_CA=$(CURDIR)/build/kafka/19092/broker.crt; \
	{ $(GO) test -json -count=1 -timeout 60m ./ingest/... ./internal/produce ; \
	  $(GO) test -json -count=1 -timeout 60m -run '^($(subst $(space),|,$(strip $(ON_KAFKA))))$$' ./internal/e2e; } | $(GO) run ./internal/tools/testsum

test-eyes: promtools ## rules, alerts and panels on promtool, a real Prometheus, a real Alertmanager and the engine
	export CI=true; \
	{ $(GO) test -json -count=1 -timeout 60m ./dashboards/... ; \
	  $(GO) test -C tools/eyes -json -count=1 -timeout 60m -skip '^(TestCompose|TestStack)' ./... ; \
	  $(GO) test -json -count=1 -timeout 60m -run '$(EYES)' ./internal/e2e; } | $(GO) run ./internal/tools/testsum

test-compose: ## compose.yaml and what it mounts, as docker compose reads them; needs no Docker
	cd tools/eyes && CI=true $(GO) test -count=1 -timeout 60m -run '^(TestCompose|TestStack)' .

promtools: ## prometheus, promtool, Alertmanager and amtool into build/promtools, from the distribution's packages
	@tools/promtools.sh

soak: build kafka ## workers, Kafka and engine under faults, then the verdict (SOAK=60m SOAK_SEED=7 SOAK_NODES=1 SOAK_SCENARIO=outage)
	$(GO) build -o bin/soak ./internal/tools/soak
	bin/soak -for '$(SOAK)' -seed '$(SOAK_SEED)' -scenario '$(SOAK_SCENARIO)' -nodes '$(SOAK_NODES)' $(SOAK_FLAGS)

lint: ## formatting, vet, staticcheck and the house rules
	@files=$$($(GO) tool gofumpt -l .); if [ -n "$$files" ]; then \
		echo "not formatted, run: go tool gofumpt -w $$(echo $$files)"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -C tools/eyes ./...
	$(GO) vet -tags noengine ./cmd/storepulse
	$(GO) tool staticcheck ./...
	$(GO) test ./internal/lint

bench: ## CPU-seconds per million events, stage by stage; also in build/bench.json
	$(GO) run ./bench -json build/bench.json

fuzz: ## every fuzz target for FUZZTIME each (FUZZ=RecordBatch FUZZTIME=10000000x)
	@tools/fuzz.sh '$(FUZZ)' '$(FUZZTIME)'

generate: ## files made from Go: docs/metrics.md, and what lies in dashboards/generated
	$(GO) test ./sink/prom -run '^TestMetricsPage$$' -update
	$(GO) test ./dashboards/... -run UpToDate -update

secrets: ## what compose.yaml needs to know and git must not, into .secrets
	@tools/secrets.sh

up: secrets ## the full stack of compose.yaml with shoppers, in Docker; Grafana on http://localhost:3000
	STOREPULSE_VERSION='$(VERSION)' docker compose --profile generator up --detach --build

down: ## stop it; its data stays in Docker's volumes
	docker compose --profile generator down

kafka: build/kafka/libs ## a real Kafka for test-kafka, downloaded once with Maven

build/kafka/libs: tools/kafka/pom.xml
	tools/kafka/kafka.sh install
	touch $@

kafka-start: kafka ## start it on 127.0.0.1:19092
	tools/kafka/kafka.sh start

kafka-stop: ## stop it
	tools/kafka/kafka.sh stop

clean: kafka-stop ## remove what was built and downloaded
	rm -rf bin build
