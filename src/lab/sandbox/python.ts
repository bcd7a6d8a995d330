import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../util/errors.ts";
import { isolate } from "./isolate.ts";

/** The sandbox's limits, for users who allow a model's code to run. */
export const sandboxSentence =
  "code that the model writes is executed, without access to the network or your files, for a few seconds at most; " +
  "the Linux kernel's namespaces protect you, but not from kernel bugs or from heavy use of processor and memory meanwhile " +
  "(1 GB a process; 16 processes, a limit that the kernel does not enforce for root)";

const path = "/usr/sbin:/usr/bin:/sbin:/bin";
const spaces = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"];

/** Closes descriptors that a shell left open besides the usual three, then reads and runs the program. */
const start =
  'import os, sys; os.closerange(3, 1 << 16); exec(compile(sys.stdin.read(), "program", "exec"), {"__name__": "__main__"})';

/** A Python interpreter, and its installation folder. */
interface Python {
  readonly executable: string;
  readonly prefix: string;
}

/**
 * Returns true if a Python program runs to its end without an error. The sandbox has no network, read-only files, no
 * privileges, and limits: 5 s of processor time and 1 GB per process, 16 processes (not enforced for root), 15 s in
 * all. A program cannot pass by exiting early.
 */
export function passesInSandbox(program: string, python: Python = findPython()): boolean {
  const sign = randomBytes(16).toString("hex");
  const { status, stdout } = sandboxed(`${program}\nprint(); print("${sign}")\n`, python);
  return status === 0 && stdout.trimEnd().endsWith(sign);
}

function sandboxed(program: string, { executable, prefix }: Python): SpawnSyncReturns<string> {
  const root = mkdtempSync(join(tmpdir(), "modicum-sandbox-"));
  const command = [executable, "-I", "-B", "-S", "-c", start];
  try {
    return spawnSync("unshare", [...spaces, "sh", "-c", isolate, "sh", root, prefix, ...command], {
      ...{ input: program, encoding: "utf8", cwd: "/", env: { PATH: path }, maxBuffer: 1 << 20 },
      ...{ timeout: 15_000, killSignal: "SIGKILL" },
    });
  } finally {
    rmdirSync(root);
  }
}

let cached: Python | undefined;

function findPython(): Python {
  cached ??= askPython();
  return cached;
}

function askPython(): Python {
  const program = 'import sys; print(sys.executable + "\\n" + sys.base_prefix)';
  const { stdout } = spawnSync("python3", ["-I", "-c", program], { encoding: "utf8" });
  const [executable, prefix] = stdout?.split("\n") ?? [];
  if (!executable || !prefix) throw new UserError("python3, which runs the code that a model writes, was not found");
  return { executable, prefix };
}

/** @throws UserError if this machine cannot isolate a program: then nothing is executed */
export function checkSandbox(python: Python = findPython()): void {
  const { error, stderr, stdout } = sandboxed('print("in")', python);
  if (stdout?.trim() === "in") return;
  const why = error ? error.message : stderr.trim().split("\n").at(-1);
  throw new UserError(
    `code is executed only if it can be isolated, which needs Linux with unshare, prlimit and setpriv (util-linux) and with user namespaces allowed; here: ${why}`,
  );
}
