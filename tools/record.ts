import { execFileSync, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import ts from "typescript";

// The visible interface of Modicum, as text: help, the HTTP interface, the library's declarations, answers of fifty
// commands with their receipts, and the names of all tests. `npm run record` writes it; with --compare it prints the
// changes since. The commands are in tools/record/commands.txt.
const root = join(import.meta.dirname, "..");
const FOLDER = join(root, "tools", "record");
const COMMANDS = join(FOLDER, "commands.txt");
const cli = join(root, "dist", "cli.js");

const scratch = fs.mkdtempSync(join(tmpdir(), "modicum-record-"));
const home = join(scratch, "home");
const environment = {
  ...process.env,
  MODICUM_HOME: home,
  // Answers must not depend on this machine's timings, nor on its terminal's width.
  MODICUM_TUNE: "off",
  MODICUM_THREADS: "1",
  COLUMNS: "100",
  NO_COLOR: "1",
};

/** Keys of JSON whose values differ from run to run. */
const VOLATILE = new Set(["id", "created", "ms", "time", "seconds", "at", "host", "machine", "version", "perSecond"]);

function stable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stable);
  if (typeof value === "number") return Number.isInteger(value) ? value : Number(value.toPrecision(5));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => !VOLATILE.has(key) && !key.startsWith("ms_"));
  return Object.fromEntries(entries.map(([key, inner]) => [key, stable(inner)]));
}

/** One field per line, and lists of numbers on one line. */
const pretty = (value: unknown): string =>
  JSON.stringify(value, null, 1).replace(/\[[\s\d.,e-]+\]/g, (list) => list.replace(/\s+/g, " "));

const withoutPlaces = (text: string): string => text.replaceAll(scratch, "<scratch>").replaceAll(root, "<root>");

/** Masks the times, dates, ids and speeds in a printed line. */
const withoutTimes = (text: string): string =>
  text
    .replace(/\d{4}-\d\d-\d\d[T ][\d:.]+Z?/g, "<date>")
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b/g, "<id>")
    .replace(/( ?) *\b\d[\d.,]* ?(ms|s|min|h|tok\/s|steps\/s|tokens\/s|MB\/s|GB)(?!\w)/g, "$1<n> $2");

function lineText(line: string): string {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" ? pretty(stable(value)) : line;
  } catch {
    return withoutTimes(line).trimEnd();
  }
}

function output(text: string): string {
  const lines = text.split(/\r\n|[\r\n]/).filter((line) => line.trim() !== "");
  return withoutPlaces(lines.map(lineText).join("\n"));
}

/** Runs a line of shell in which `modicum` is the built program. */
function command(line: string): string {
  const script = `modicum() { "${process.execPath}" "${cli}" "$@"; }\n${line}`;
  const options = { cwd: scratch, env: environment, encoding: "utf8", maxBuffer: 2 ** 28 } as const;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", script], options);
  const errors = stderr.trim() === "" ? "" : `stderr: ${output(stderr)}`;
  return [`$ ${line}`, output(stdout), errors, `exit ${status}`].filter((part) => part !== "").join("\n");
}

function answers(): string {
  const lines = fs.readFileSync(COMMANDS, "utf8").match(/^[^#\n].*$/gm) ?? [];
  return lines.map(command).join("\n\n");
}

/** Verbs under `words`, as their help lists them. */
function innerVerbs(words: readonly string[], help: string): string[][] {
  const own = /^Commands:\n((?: {2}.*\n?)*)/m.exec(help)?.[1] ?? "";
  const names = [...own.matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name]) => name!).filter((name) => name !== "help");
  return names.map((name) => [...words, name]);
}

function help(words: readonly string[] = []): string {
  const text = execFileSync(process.execPath, [cli, "help", ...words, "--all"], { env: environment, encoding: "utf8" });
  const inner = innerVerbs(words, text).map(help);
  return [`# modicum ${words.join(" ")}`.trim(), text.trimEnd(), ...inner].join("\n\n");
}

async function openapi(): Promise<string> {
  const server = spawn(process.execPath, [cli, "serve", "--port", "0", "--model", "code-tiny"], { env: environment });
  try {
    // The server logs to standard error.
    for await (const chunk of server.stderr) {
      const url = /"url":"([^"]+)"/.exec(String(chunk))?.[1];
      if (url === undefined) continue;
      return pretty(await (await fetch(`${url}/openapi.json`)).json());
    }
    throw new Error("the server ended before it listened");
  } finally {
    server.kill();
  }
}

/** The exported names of each of the package's entries, with their declarations, without comments. */
function declarations(): string {
  const { exports } = JSON.parse(fs.readFileSync(join(root, "package.json"), "utf8")) as {
    exports: Record<string, string | { types?: string }>;
  };
  const files = Object.entries(exports).flatMap(([name, entry]) =>
    typeof entry === "object" && entry.types ? [{ name, file: join(root, entry.types) }] : [],
  );
  const program = ts.createProgram(
    files.map(({ file }) => file),
    { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, skipLibCheck: true },
  );
  return files.map(({ name, file }) => `# ${name}\n\n${exported(program, file).join("\n")}`).join("\n\n");
}

function exported(program: ts.Program, file: string): string[] {
  const checker = program.getTypeChecker();
  const printer = ts.createPrinter({ removeComments: true });
  const module = checker.getSymbolAtLocation(program.getSourceFile(file)!)!;
  return checker
    .getExportsOfModule(module)
    .map((symbol) => {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      const texts = (target.declarations ?? []).map((declaration) =>
        printer.printNode(ts.EmitHint.Unspecified, declaration, declaration.getSourceFile()),
      );
      return `${symbol.name}: ${texts.join("\n").replace(/^(export |declare )+/gm, "")}`;
    })
    .sort();
}

/** Calls with a name and a function, as tests are written: `test("name", () => …)`, also under `test.each(…)`. */
function testNames(node: ts.Node, outer: string): string[] {
  if (ts.isCallExpression(node)) {
    const [name, ...rest] = node.arguments;
    const isName = name !== undefined && (ts.isStringLiteralLike(name) || ts.isTemplateExpression(name));
    if (isName && rest.some((argument) => ts.isArrowFunction(argument) || ts.isFunctionExpression(argument))) {
      const own = `${outer}${outer && " > "}${(ts.isStringLiteralLike(name) ? name.text : name.getText()).replace(/\s+/g, " ")}`;
      return [own, ...rest.flatMap((argument) => testNames(argument, own))];
    }
  }
  const names: string[] = [];
  ts.forEachChild(node, (child) => void names.push(...testNames(child, outer)));
  return names;
}

/** Test names, sorted and without their files, because a moved test is the same test. */
function tests(): string {
  const files = execFileSync("git", ["ls-files", "*.test.ts", "*.test.tsx"], { cwd: root, encoding: "utf8" });
  const names = files
    .trim()
    .split("\n")
    .flatMap((file) => {
      const source = ts.createSourceFile(file, fs.readFileSync(join(root, file), "utf8"), ts.ScriptTarget.ES2022, true);
      return testNames(source, "");
    });
  return names.sort().join("\n");
}

async function write(folder: string): Promise<void> {
  execFileSync("npm", ["run", "build"], { cwd: root, stdio: "inherit" });
  // The only downloaded model that the commands use.
  fs.mkdirSync(join(home, "models"), { recursive: true });
  const smollm2 = join(homedir(), ".cache", "modicum", "models", "smollm2");
  if (fs.existsSync(smollm2)) fs.symlinkSync(smollm2, join(home, "models", "smollm2"));
  fs.copyFileSync(join(root, "LICENSE"), join(scratch, "licence.txt"));
  const savings = execFileSync(process.execPath, [cli, "savings", "--json"], { env: environment, encoding: "utf8" });
  const files = {
    "help.txt": help(),
    "openapi.json": await openapi(),
    "declarations.txt": declarations(),
    "savings.json": pretty(JSON.parse(savings)),
    "answers.txt": answers(),
    "tests.txt": tests(),
  };
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(join(folder, name), `${text}\n`);
}

try {
  if (process.argv.includes("--compare")) {
    const folder = join(scratch, "now");
    fs.mkdirSync(folder);
    await write(folder);
    for (const name of fs.readdirSync(folder))
      spawnSync("git", ["--no-pager", "diff", "--no-index", "--unified=1", join(FOLDER, name), join(folder, name)], {
        stdio: "inherit",
      });
  } else await write(FOLDER);
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
