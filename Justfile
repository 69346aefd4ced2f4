# Every command a person or CI runs. Recipes fetch what they need first (`.ci/setup`).

set shell := ["bash", "-euo", "pipefail", "-c"]

target := absolute_path(env("CARGO_TARGET_DIR", "target"))
just := quote(just_executable()) + " --justfile " + quote(justfile())

# Where the tests with a real Envoy find it, and the module it loads.
export ATTACHE_ENVOY := justfile_directory() / ".build/bin/envoy"
export ATTACHE_MODULE := target / "wasm32-wasip1/filter/attache.wasm"
export ATTACHE_COMMAND := target / "debug/attache"
export ATTACHE_LIMITER := target / "limiter/debug/rate-limiter"
export ATTACHE_CRASHING_MODULE := target / "wasm32-wasip1/debug/attache.wasm"

# Python leaves nothing in the tree.
export PYTHONDONTWRITEBYTECODE := "1"

# Lists the recipes.
[private]
default:
    @{{ just }} --list --unsorted

# The core, natively: the tests to run while writing
[group("test")]
test-quick:
    cargo test --lib --test core --test host_calls

# All tests: the core natively and under Node, Envoy, the SDK, a browser, the compose file, the documents, a minute of soak
[group("test")]
test:
    @JUST={{ quote(just_executable()) }} .ci/parts \
        "build-tests limiter" "setup-tests filter crashing build-node"
    @JUST={{ quote(just_executable()) }} .ci/parts \
        "envoy" "core browser node"
    @# The Envoys of these pages and containers do not wait for inotify instances, as those of tests do.
    @JUST={{ quote(just_executable()) }} .ci/parts \
        "documents compose certificates" "soak-minute" "sdk"

# What the parts of `just test` need of others.
[private]
setup-tests:
    @bash .ci/setup wasm envoy python aimock anthropic vercel istio browser docker

# Formatting, lints, and the paths and the English of the documents
[group("test")]
check:
    @bash .ci/setup wasm
    cargo fmt --check
    cargo fmt --check --manifest-path tests/limiter/Cargo.toml
    cargo fmt --check --manifest-path tests/bench/filter/Cargo.toml
    cargo clippy --workspace --all-targets -- -D warnings
    @if grep -q RUSTC .build/wasm.env; then echo "no clippy for wasm32-wasip1: it needs rustup's target"; \
        else cargo clippy --package attache --lib --target wasm32-wasip1 -- -D warnings; fi
    @if command -v shellcheck; then shellcheck --external-sources .ci/run .ci/setup .ci/parts envoy/demo/*; \
        else echo "no shellcheck here: scripts not checked"; fi
    python3 .ci/check-docs
    python3 .ci/check-english --max-share 8
    python3 .ci/check-layout
    python3 .ci/check-shape

# Rewrites the golden files, the requests of voice platforms, the generated parts of the documents, and the schema of gateway.yaml; read the difference before you commit it
[group("test")]
golden:
    UPDATE=1 cargo test --test core -- golden:: voice:: documents:: configuration::
    UPDATE=1 cargo test --package attache-cli --lib -- import::

# Builds the module Envoy loads: target/wasm32-wasip1/filter/attache.wasm
[group("build")]
filter:
    @bash .ci/setup wasm
    source .build/wasm.env && cargo --config wasm-pack.toml build --profile filter --package attache --lib --target wasm32-wasip1
    @wc -c "$ATTACHE_MODULE" | awk '{ printf "%s: %d KiB\n", $2, $1 / 1024 }'

# Starts the gateway with a scripted provider behind it (real ones where the environment has a key)
[group("demo")]
up: filter programs
    @bash .ci/setup envoy
    @bash envoy/demo/up

# Starts the gateway, sends it two requests, shows how to send your own; Ctrl-C stops it
[group("demo")]
demo *options: filter programs
    @bash .ci/setup envoy
    @bash envoy/demo/demo {{ options }}

# Stops what `up` or `demo` started
[group("demo")]
down:
    @bash envoy/demo/down

# Measures what the module costs Envoy
[group("measure")]
bench: filter programs limiter bench-filter
    @bash .ci/setup envoy wrk
    python3 tests/bench.py

# Fetches what this machine lacks: a standard library for WebAssembly, and Envoy
[group("build")]
setup:
    @bash .ci/setup

# The commands `attache` and `testkit` for the tests
[group("build")]
command:
    cargo build --package attache-cli --package testkit

# The module with debug assertions, which crashes on demand
[group("build")]
crashing:
    @bash .ci/setup wasm
    source .build/wasm.env && cargo --config wasm-pack.toml build --package attache --lib --target wasm32-wasip1

# A rate limit service to share
[group("build")]
limiter:
    cargo build --manifest-path tests/limiter/Cargo.toml --target-dir {{ quote(target / "limiter") }}

# A filter that does nothing, and one that calls the host as often as it is told
[group("build")]
bench-filter:
    @bash .ci/setup wasm
    source .build/wasm.env && cargo --config wasm-pack.toml build --profile filter --manifest-path tests/bench/filter/Cargo.toml --target-dir {{ quote(target / "bench-filter") }} --target wasm32-wasip1

# Packs the module as an OCI image, in the layout of a directory: .build/image
[group("build")]
image tag="1": filter
    rm -rf .build/image
    python3 envoy/oci "$ATTACHE_MODULE" .build/image {{ quote(tag) }}

# Builds the files of a release in .build/release: the module, its image, the command for Linux, checksums
[group("build")]
release tag="1": (image tag)
    @bash .ci/release

# The command `attache`, and `testkit` with the scripted provider.
[private]
programs:
    cargo build --release --package attache-cli --package testkit

# All native test programs, and the commands that they start.
[private]
build-tests: command
    cargo test --no-run

[private]
build-node:
    @bash .ci/setup wasm
    {{ node_tests }} --no-run

node_tests := "source .build/wasm.env && CARGO_TARGET_WASM32_WASIP1_RUNNER=" + quote(justfile_directory() / "tests/node-wasi.mjs") + " cargo --config wasm-pack.toml test --package attache --package json-repair --lib --tests --target wasm32-wasip1"

# The native tests of all packages, without those that start an Envoy
[group("test")]
core:
    cargo test --lib --bins --test core --test fuzz --test host_calls --test repair

# The tests of the core under Node
[group("test")]
node:
    @bash .ci/setup wasm
    {{ node_tests }}

# The tests in a real Envoy, or those with a name; `filter crashing command limiter` build what they need
[group("test")]
envoy *names:
    @bash .ci/setup envoy istio
    cargo test --test envoy -- --test-threads 5 {{ names }}

# Claude Code and Codex at work, with Claude, GPT and Gemini
[group("test")]
clients: filter command
    @bash .ci/setup envoy python clients
    .build/python/bin/pytest -p no:cacheprovider tests/clients

# The gateway with the SDKs of OpenAI, AssemblyAI, Anthropic and Vercel
[group("test")]
sdk:
    @bash .ci/setup envoy python aimock anthropic vercel
    .build/python/bin/pytest -p no:cacheprovider tests/sdk

# The certificate of a gateway, replaced while a client is connected
[group("test")]
certificates: filter command
    @bash .ci/setup envoy python
    .build/python/bin/pytest -p no:cacheprovider tests/certificates

# The playground in headless Chromium; says so where there is none
[group("test")]
browser:
    @bash .ci/setup envoy browser
    @if [[ -x .build/bin/chromium ]]; then \
        cargo test --test envoy in_a_browser -- --ignored --nocapture; \
        else echo "SKIPPED: no Chromium here, the playground was not tested in a browser"; fi

# Runs the commands of README.md and of the pages in docs, and compares what they print
[group("test")]
documents: filter command
    @bash .ci/setup envoy
    python3 tests/documents.py --just {{ quote(just_executable()) }} --target {{ quote(target) }}

# Checks the compose file and the Dockerfile, and runs what they run, without Docker
[group("test")]
compose: filter command
    @bash .ci/setup envoy docker
    .build/docker/bin/python tests/compose.py --target {{ quote(target) }}

# Checks the Helm chart: its objects, their schemas, and an Envoy with what Envoy Gateway makes of them
[group("test")]
helm: filter command
    @bash .ci/setup envoy istio docker helm
    .build/docker/bin/python tests/helm.py --command "$ATTACHE_COMMAND" --module "$ATTACHE_MODULE"

# Shares limits through envoyproxy/ratelimit and Redis, and kills each part in between
[group("test")]
shared-limits: filter programs
    @bash .ci/setup envoy ratelimit
    python3 tests/shared_limits.py --target {{ quote(target) }}

# Compares spans and metrics with answers: an OpenTelemetry Collector and Prometheus take what Envoy sends
[group("test")]
telemetry: filter command
    @bash .ci/setup envoy collector prometheus
    python3 tests/telemetry.py

# Tests whether the quick tests fail when the code of a file is wrong: all of .cargo/mutants.toml, or `just mutants --re src/failover.rs`
[group("test")]
mutants *options:
    @bash .ci/setup mutants
    .build/mutants/bin/cargo-mutants mutants --output .build/mutants {{ options }}

# Damages requests, answers, streams and errors at random, for so many seconds in each of its tests
[group("test")]
fuzz seconds="60":
    FUZZ_SECONDS={{ seconds }} cargo test --release --test fuzz

# Ten thousand requests while providers fail at random; ATTACHE_SEED repeats a run
[group("test")]
chaos: filter command
    @bash .ci/setup envoy
    cargo test --test envoy chaos_harms_nobody -- --ignored --nocapture

# The exact limits of accounts under load, for ten minutes: `just test` has one of it
[group("test")]
limits: filter crashing command
    @bash .ci/setup envoy
    cargo test --test envoy quota -- --include-ignored --test-threads 1 --nocapture

# Changes of the file, of keys and of the module, over and over, while 50,000 requests are answered
[group("test")]
reloads: filter crashing command
    @bash .ci/setup envoy
    cargo test --test envoy lose_none_of_fifty_thousand -- --ignored --nocapture

# Sends everything to a gateway for so many minutes, and checks that nothing of it stays
[group("measure")]
soak minutes="60": filter command
    @bash .ci/setup envoy
    python3 tests/soak.py --minutes {{ minutes }} --target {{ quote(target) }}

# Floods a gateway with two thousand slow, large and endless requests, and checks its memory and every answer
[group("measure")]
overload: filter programs
    @bash .ci/setup envoy
    python3 tests/overload.py --target {{ quote(target) }}

# Restarts two gateways behind a plain Envoy while clients ask, and checks that nothing is lost
[group("test")]
drain: filter programs
    @bash .ci/setup envoy
    python3 tests/drain.py --target {{ quote(target) }}

[private]
soak-minute: (soak "1")

# Compares the dashboard with a gateway under load, and draws it
[group("measure")]
dashboard: filter programs
    @bash .ci/setup envoy prometheus
    python3 tests/dashboard.py --target {{ quote(target) }}

# How well damaged JSON is repaired: tables, for a seed and a number of cases of each class
[group("measure")]
repair-score seed="1" each="100":
    cargo run --package json-repair --release --quiet --example score -- {{ seed }} {{ each }}

# Repairs a million hostile texts, whole and in pieces, and counts the steps for every pair of repeated pieces
[group("measure")]
repair-fuzz count="1000000":
    REPAIR_FUZZ={{ count }} cargo test --package json-repair --release --test repair hostile::no_
    REPAIR_FUZZ={{ count }} cargo test --package json-repair --release --lib work_budget

# How fast JSON is repaired
[group("measure")]
repair-bench:
    cargo bench --package json-repair-bench

# Takes the pictures of the documents again, of what `just up` started
[group("demo")]
pictures:
    @bash .ci/setup browser
    node tests/browser/pictures.mjs
