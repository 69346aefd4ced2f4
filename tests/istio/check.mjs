// Checks objects, a JSON array on standard input, against the schemas that Istio and Kubernetes
// publish: their types know every field, their validators every value. Node is given the text of
// this file in a directory that has the packages.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const objects = JSON.parse(readFileSync(0, "utf8"));

const packages = { "networking.istio.io": "@kubernetes-models/istio" };

// `networking.istio.io/v1` stands in a module of that name, `v1` in one of its own.
function moduleOf({ apiVersion }) {
  const [group] = apiVersion.split("/");
  return `${packages[group] ?? "kubernetes-models"}/${apiVersion}`;
}

// As TypeScript, where a field that a type does not have is a mistake.
function source() {
  const lines = objects.map((object, index) => {
    const type = `import("${moduleOf(object)}").I${object.kind}`;
    return `export const object${index}: ${type} = ${JSON.stringify(object)};`;
  });
  return lines.join("\n");
}

function typeMistakes() {
  const name = join(process.cwd(), "objects.ts");
  const options = {
    strict: true, noEmit: true, skipLibCheck: true, types: [],
    module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (file) => file === name || fileExists(file);
  host.readFile = (file) => (file === name ? source() : readFile(file));
  host.getSourceFile = (file, ...rest) =>
    file === name ? ts.createSourceFile(file, source(), rest[0]) : getSourceFile(file, ...rest);
  const program = ts.createProgram([name], options, host);
  return ts.getPreEmitDiagnostics(program).map((found) => {
    const line = found.file?.getLineAndCharacterOfPosition(found.start).line;
    const { kind, metadata } = objects[line] ?? {};
    return `${kind} ${metadata?.name}: ${ts.flattenDiagnosticMessageText(found.messageText, " ")}`;
  });
}

async function valueMistakes() {
  const mistakes = [];
  for (const object of objects) {
    const models = await import(moduleOf(object));
    try {
      new models[object.kind](object).validate();
    } catch (error) {
      mistakes.push(`${object.kind} ${object.metadata?.name}: ${error.message}`);
    }
  }
  return mistakes;
}

const mistakes = [...typeMistakes(), ...(await valueMistakes())];
console.log(mistakes.join("\n"));
process.exit(mistakes.length ? 1 : 0);
