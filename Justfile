# Every command a person or CI runs. Recipes fetch what they need first (`.ci/setup`).

set shell := ["bash", "-euo", "pipefail", "-c"]

target := absolute_path(env("CARGO_TARGET_DIR", "target"))

# Where the tests with a real Envoy find it, and the module it loads.
export ATTACHE_ENVOY := justfile_directory() / ".build/bin/envoy"
export ATTACHE_MODULE := target / "wasm32-wasip1/filter/attache.wasm"
export ATTACHE_COMMAND := target / "debug/attache"
export ATTACHE_LIMITER := target / "limiter/debug/rate-limiter"
export ATTACHE_CRASHING_MODULE := target / "wasm32-wasip1/debug/attache.wasm"

# Where cargo finds the runner that gives tests to Node.
export PATH := justfile_directory() / ".build/node/bin:" + env("PATH")

# Python leaves nothing in the tree.
export PYTHONDONTWRITEBYTECODE := "1"

# Lists the recipes.
[private]
default:
    @{{ quote(just_executable()) }} --justfile {{ quote(justfile()) }} --list --unsorted

# Fetches what this machine lacks: wasm targets, Envoy, the Node test runner
setup:
    @bash .ci/setup

# Builds the module Envoy loads: target/wasm32-wasip1/filter/attache.wasm
filter:
    @bash .ci/setup wasm
    source .build/wasm.env && cargo --config wasm-pack.toml build --profile filter --package attache --lib --target wasm32-wasip1
    @wc -c "$ATTACHE_MODULE" | awk '{ printf "%s: %d KiB\n", $2, $1 / 1024 }'

# The module with debug assertions, which crashes on demand
[private]
crashing:
    @bash .ci/setup wasm
    source .build/wasm.env && cargo --config wasm-pack.toml build --package attache --lib --target wasm32-wasip1

# The commands `attache` and `testkit` for the tests
[private]
command:
    cargo build --package attache-cli --package testkit

# A rate limit service to share
[private]
limiter:
    cargo build --manifest-path tests/limiter/Cargo.toml --target-dir {{ quote(target / "limiter") }}

# Formatting, lints, and the paths and the English of the documents
check:
    @bash .ci/setup wasm
    cargo fmt --check
    cargo fmt --check --manifest-path tests/limiter/Cargo.toml
    cargo clippy --all-targets -- -D warnings
    @if grep -q RUSTC .build/wasm.env; then echo "no clippy for wasm32-wasip1: it needs rustup's target"; \
        else cargo clippy --package attache --lib --target wasm32-wasip1 -- -D warnings; fi
    @if command -v shellcheck; then shellcheck --external-sources .ci/run .ci/setup envoy/demo/*; \
        else echo "no shellcheck here: scripts not checked"; fi
    python3 .ci/check-docs
    python3 .ci/check-english

# Everything: the core natively and under Node, Envoy end to end, the official SDK, a browser, what the compose file runs, the commands of the documents, and a minute of soak
test: filter crashing command limiter && browser compose documents (soak "1")
    @bash .ci/setup envoy node python aimock istio
    cargo test
    source .build/wasm.env && cargo --config wasm-pack.toml test --package attache --package json-repair --lib --tests --target wasm32-unknown-unknown
    .build/python/bin/pytest -p no:cacheprovider tests/sdk

# The playground in headless Chromium; says so where there is none
browser: filter command
    @bash .ci/setup envoy browser
    @if [[ -x .build/bin/chromium ]]; then \
        cargo test --test envoy in_a_browser -- --ignored --nocapture; \
        else echo "SKIPPED: no Chromium here, the playground was not tested in a browser"; fi

# Packs the module as an OCI image, in the layout of a directory: .build/image
image tag="1": filter
    rm -rf .build/image
    python3 envoy/oci "$ATTACHE_MODULE" .build/image {{ quote(tag) }}

# Checks the compose file and the Dockerfile, and runs what they run, without Docker
compose: filter programs
    @bash .ci/setup envoy docker
    .build/docker/bin/python tests/compose.py --target {{ quote(target) }}

# Takes the pictures of the documents anew, of what `just up` started
pictures:
    @bash .ci/setup browser
    node tests/browser/pictures.mjs

# The exact limits of accounts under load, for ten minutes: `just test` has one of it
limits: filter crashing command
    @bash .ci/setup envoy
    cargo test --test envoy quota -- --include-ignored --test-threads 1 --nocapture

# Changes of the file, of keys and of the module, over and over, while 50,000 requests are answered
reloads: filter crashing command
    @bash .ci/setup envoy
    cargo test --test envoy lose_none_of_fifty_thousand -- --ignored --nocapture

# Rewrites the golden files, what voice platforms come to, and the table in docs/providers.md with what the code gives now; read the difference before you commit it
golden:
    UPDATE=1 cargo test --test core -- golden:: voice:: documents::

# Damages requests, answers, streams and errors by chance, so many seconds for each of twelve tests
fuzz seconds="60":
    FUZZ_SECONDS={{ seconds }} cargo test --release --test fuzz

# Ten thousand requests while providers fail at random; ATTACHE_SEED repeats a run
chaos: filter command
    @bash .ci/setup envoy
    cargo test --test envoy chaos_harms_nobody -- --ignored --nocapture

# Measures what the module costs Envoy
bench: filter programs limiter
    @bash .ci/setup envoy wrk
    python3 tests/bench.py

# Runs the commands of README.md and of the pages in docs, and holds what they print against the page
documents: filter programs
    @bash .ci/setup envoy
    python3 tests/documents.py --just {{ quote(just_executable()) }} --target {{ quote(target) }}

# Wears a gateway out for so many minutes, and looks whether anything of that stays
soak minutes="60": filter programs
    @bash .ci/setup envoy
    python3 tests/soak.py --minutes {{ minutes }} --target {{ quote(target) }}

# Holds the dashboard against a gateway under load, and draws it (needs Prometheus)
dashboard: filter programs
    @bash .ci/setup envoy
    python3 tests/dashboard.py --target {{ quote(target) }}

# How well damaged JSON is mended: a table, for a seed and a number of cases of each kind
repair-score seed="1" each="100":
    cargo run --package json-repair --release --quiet --example repair-score -- {{ seed }} {{ each }}

# A million hostile texts through the repair of JSON, and through the same in pieces; the steps of every pair of what may be repeated
repair-fuzz count="1000000":
    REPAIR_FUZZ={{ count }} cargo test --package json-repair --release --test repair hostile::nothing
    REPAIR_FUZZ={{ count }} cargo test --package json-repair --release --lib work_budget

# How fast JSON is mended
repair-bench:
    cargo bench --package json-repair --bench repair

# Starts the gateway, sends it two requests, shows how to send your own; Ctrl-C stops it
demo *options: filter programs
    @bash .ci/setup envoy
    @bash envoy/demo/demo {{ options }}

# Starts the gateway with a scripted provider behind it (real ones where the environment has a key)
up: filter programs
    @bash .ci/setup envoy
    @bash envoy/demo/up

# Stops what `up` or `demo` started
down:
    @bash envoy/demo/down

# The command `attache`, and `testkit` with the scripted provider.
[private]
programs:
    cargo build --release --package attache-cli --package testkit
