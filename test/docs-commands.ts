/**
 * Runs the command that each page of the docs opens with, and compares the shape of its output with the one that the page
 * shows: `npm run test:docs [-- PAGE…]`. Commands run in a temporary folder with links to what the clone has, and write
 * receipts, recipes and indexes there.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { home, hubFolder } from "../src/weights/sources/home.ts";
import { root } from "../tools/section.ts";
import { freePort } from "./free-port.testing.ts";
import { hasShape } from "./output-shape.ts";
import { onPort, openingOf, runnable } from "./page-opening.ts";
import { userDocs } from "./user-docs.ts";

const LIMIT_S = 600;

/** Folders shared with other runs of Modicum, whose contents are downloaded or made only once. */
const SHARED = ["models", "packages", "data", "programs", "locks"];

function freshHome(folder: string): string {
  mkdirSync(folder);
  for (const name of SHARED) {
    mkdirSync(join(home(), name), { recursive: true });
    symlinkSync(join(home(), name), join(folder, name));
  }
  return folder;
}

function freshClone(folder: string): string {
  mkdirSync(folder);
  for (const name of readdirSync(root)) if (name !== ".git") symlinkSync(join(root, name), join(folder, name));
  return folder;
}

interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a bash script and waits for its servers; kills everything it started after the limit. */
async function run(script: string, cwd: string, env: NodeJS.ProcessEnv): Promise<Output> {
  const shell = spawn("bash", ["-c", `${script}\nwait`], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const limit = setTimeout(() => process.kill(-shell.pid!, "SIGKILL"), LIMIT_S * 1000);
  const [stdout, stderr] = await Promise.all([text(shell.stdout), text(shell.stderr)]);
  clearTimeout(limit);
  return { stdout, stderr };
}

interface Result {
  readonly same: boolean;
  /** Shown if the outputs differ. */
  readonly report: string;
}

const compared = (shown: string, { stdout, stderr }: Output): string =>
  `--- the page shows\n${shown}--- the command prints\n${stdout}--- on stderr, at the end\n${stderr.slice(-2000)}---`;

async function check(page: string): Promise<Result> {
  const place = mkdtempSync(join(tmpdir(), "modicum-docs-"));
  try {
    const opening = openingOf(readFileSync(join(root, page), "utf8"));
    const port = await freePort();
    const MODICUM_HOME = freshHome(join(place, "home"));
    const env = { ...process.env, MODICUM_HOME, HF_HUB_CACHE: hubFolder(), MODICUM_TUNE: "off" };
    const output = await run(runnable(opening.command, port), freshClone(join(place, "clone")), env);
    const shown = onPort(opening.output, port);
    return { same: hasShape(opening.kind, shown, output.stdout), report: compared(shown, output) };
  } catch (error) {
    return { same: false, report: String(error) };
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

const pages = process.argv.length > 2 ? process.argv.slice(2) : userDocs();
let differing = 0;
for (const page of pages) {
  const start = performance.now();
  const { same, report } = await check(page);
  console.log(`${same ? "same   " : "DIFFERS"} ${page} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  if (same) continue;
  differing++;
  console.log(report);
}
console.log(`${pages.length - differing} of ${pages.length} pages show what their command prints`);
if (differing > 0) process.exitCode = 1;
