import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { onTestFinished } from "vitest";

export interface Child {
  /** Each line it printed: what happened in it. */
  lines: string[];
  /** Resolves at the first line that fits, or fails when the process ends without one. */
  until(fits: (line: string) => boolean): Promise<string>;
  /** Kills it with a signal and waits for its end. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Its exit status. */
  ended: Promise<number | null>;
}

/** The program of `resolve.testing.ts` in one file, so that a child starts in no time; built once for all children. */
const program = once(() => {
  const outfile = fileURLToPath(
    new URL(`../../../node_modules/.cache/modicum/resolve-${process.pid}.mjs`, import.meta.url),
  );
  const entry = fileURLToPath(new URL("./resolve.testing.ts", import.meta.url));
  // Packages too, but for the native one: to find and read their many files takes longer than all else.
  const js = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
  const target = { bundle: true, platform: "node", format: "esm" } as const;
  buildSync({ entryPoints: [entry], outfile, ...target, external: ["libsql"], banner: { js } });
  process.on("exit", () => rmSync(outfile, { force: true }));
  return outfile;
});

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Resolves a model in a process of its own. */
export function resolveInChild(spec: string, env: Record<string, string>): Child {
  const child = spawn(process.execPath, [program(), spec], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  const reader = createInterface(child.stdout).on("line", (line) => lines.push(line));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const until = (fits: (line: string) => boolean) =>
    new Promise<string>((resolve, reject) => {
      const early = lines.find(fits);
      if (early !== undefined) return resolve(early);
      reader.on("line", (line) => fits(line) && resolve(line));
      void ended.then(() => reject(new Error(`ended after: ${lines.slice(-3).join(" | ")}`)));
    });
  const kill = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await ended;
  };
  return { lines, until, kill, ended };
}
