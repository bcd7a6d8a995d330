import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import { bundled } from "../../util/bundled.testing.ts";

export interface Child {
  /** The printed lines, one per event. */
  lines: string[];
  /** Resolves when a line matches; fails if the process ends without a match. */
  until(fits: (line: string) => boolean): Promise<string>;
  /** Kills the process with a signal and waits for its end. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** The exit status of the process. */
  ended: Promise<number | null>;
}

/** Resolves a model in a child process. */
export function resolveInChild(spec: string, env: Record<string, string>): Child {
  const program = bundled(new URL("./resolve.testing.ts", import.meta.url));
  const child = spawn(process.execPath, [program, spec], {
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
