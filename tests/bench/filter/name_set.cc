// The names that `WasmBase::allocMemory` builds for each host call that returns bytes, on their own:
//
//   g++ -O2 -std=c++20 tests/bench/filter/name_set.cc -o /tmp/name_set && /tmp/name_set

#include <chrono>
#include <cstdio>
#include <string>
#include <unordered_set>

using Names = std::unordered_set<std::string>;

// As in proxy-wasm-cpp-host: a set of its own for each call.
struct Copied {
  bool restricted = false;
  Names allowed;

  [[gnu::noinline]] void restrict(bool on, Names names = {}) {
    restricted = on;
    allowed = std::move(names);
  }

  void call() {
    restrict(true, {"env.proxy_log", "wasi_unstable.fd_write", "wasi_snapshot_preview1.fd_write",
                    "wasi_unstable.clock_time_get", "wasi_snapshot_preview1.clock_time_get"});
    restrict(false);
  }
};

// As proposed: one set for all calls.
struct Shared {
  const Names *volatile allowed = nullptr;

  void call() {
    static const Names names{"env.proxy_log", "wasi_unstable.fd_write",
                             "wasi_snapshot_preview1.fd_write", "wasi_unstable.clock_time_get",
                             "wasi_snapshot_preview1.clock_time_get"};
    allowed = &names;
    allowed = nullptr;
  }
};

template <class Vm> void measure(const char *name) {
  constexpr int COUNT = 1'000'000;
  Vm vm;
  auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < COUNT; i++) {
    vm.call();
  }
  std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - begun;
  std::printf("%s: %.3f us\n", name, taken.count() / COUNT);
}

int main() {
  measure<Copied>("a set for each call");
  measure<Shared>("one set for all calls");
}
