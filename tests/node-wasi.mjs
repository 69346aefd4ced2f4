#!/usr/bin/env -S node --no-warnings --no-wasm-lazy-compilation
// Runs Rust's test programs for WASI under Node: `tests/node-wasi.mjs PROGRAM.wasm [ARGUMENTS...]`.
// They have their arguments, the environment and their output, and no files. Node 20 crashes at its end
// after a program whose functions are compiled when they are called first.

import { readFile } from "node:fs/promises";
import { env } from "node:process";
import { WASI } from "node:wasi";

const [program, ...args] = process.argv.slice(2);
// A failure ends the program at once, and the output of a test that was captured with it.
const wasi = new WASI({ version: "preview1", args: [program, "--no-capture", ...args], env });

const module = await WebAssembly.compile(await readFile(program));
const host = {};
// Envoy's calls, which the shell imports, and functions that Debian's libc lacks: no test may reach them.
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    if (from === "env") host[name] = () => { throw new Error(`there is no host to call ${name}`); };
}
const instance = await WebAssembly.instantiate(module, { ...wasi.getImportObject(), env: host });
// Without `_initialize`, which the shell exports for Envoy.
const { memory, _start } = instance.exports;
process.exitCode = wasi.start({ exports: { memory, _start } });
