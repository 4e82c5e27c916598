# Two commands are enough: `make run` and `make test`. `make help` lists the rest.

.PHONY: help build run demo test attack simulate lint fuzz bench bench-proxy soak reproducible idle-streams model install clean

BINARY := target/release/intentgate
PREFIX ?= /usr/local
# How many `make simulate` runs.
SEEDS ?= 10000
# What `make fuzz` runs, each so long.
TARGETS ?= $(notdir $(basename $(wildcard fuzz/src/bin/*.rs)))
SECONDS ?= 300

help:
	@echo "make run          set everything up and start the gateway (demo LLM unless upstream.url is set)"
	@echo "make demo         a day of a shop's traffic in a minute, and the report on it"
	@echo "make test         set everything up and run every test"
	@echo "make simulate     the proxy in simulated time, under 10,000 seeds of faults; SEEDS says how many"
	@echo "make build        the release binary, and ONNX Runtime into runtime/"
	@echo "make attack       what strangers may try, beside an honest client, in ten minutes"
	@echo "make lint         format, clippy, docs, licences"
	@echo "make fuzz         every parser of strangers' bytes, SECONDS (300) each; TARGETS names some"
	@echo "make bench        what a verdict and a request cost"
	@echo "make bench-proxy  what the gateway adds to a request, beside nginx"
	@echo "make soak         a thousand reloads, then 20 minutes of mixed load with faults, edits and restarts of the upstream"
	@echo "make reproducible two release builds in two folders, held against each other"
	@echo "make idle-streams the memory of 10,000 streams that say nothing"
	@echo "make model        rebuild the bundled model and hold it against the committed one"
	@echo "make install      program, model, intents and ONNX Runtime below PREFIX (/usr/local), within DESTDIR"

build: runtime
	cargo build --release --locked

run: build
	$(BINARY) serve

demo: build
	scripts/demo.py --binary $(BINARY)

test: runtime
	tests/models/fetch.sh
	cargo test --locked --all-targets
	cargo build --locked
	tests/clients/run.sh target/debug/intentgate
	tests/monitoring/run.sh target/debug/intentgate
	cargo build --release --locked
	ATTACK_FLOOR_MS=300 ATTACK_GROWTH_MIB=64 tests/attack/run.sh short

attack: build
	tests/attack/run.sh whole

simulate: runtime
	SEEDS=$(SEEDS) cargo test --locked --test simulate

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	scripts/deny.sh

fuzz:
	for target in $(TARGETS); do scripts/fuzz.sh $$target $(SECONDS) || exit 1; done

bench: build
	cargo bench --locked

bench-proxy: build
	scripts/bench-proxy.sh $(BINARY)

soak: build
	cargo test --locked --test it -- --ignored a_thousand_reloads
	scripts/soak.py --binary $(BINARY)

reproducible:
	scripts/reproducible.sh

idle-streams: build
	scripts/idle-streams.py --binary $(BINARY)

model:
	scripts/model.sh

install: build
	scripts/install.sh "$(DESTDIR)$(PREFIX)"

clean:
	cargo clean
	rm -rf runtime .venv tests/*/node_modules fuzz/target

.PHONY: runtime
runtime:
	@scripts/fetch-runtime.sh
