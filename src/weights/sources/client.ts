import { execFile } from "node:child_process";
import { codeOf } from "../../util/system-errors.ts";

export interface Answer {
  status: number | string;
  stdout: string;
  stderr: string;
}

/** Runs the first of several commands that exists on this machine; undefined if none exists. */
export async function runFirst(
  commands: readonly (readonly [string, ...string[]])[],
  args: readonly string[],
  signal?: AbortSignal,
): Promise<Answer | undefined> {
  for (const [command, ...own] of commands) {
    const answer = await run(command, [...own, ...args], signal);
    if (answer.status !== "ENOENT" && !/No module named '?pip/.test(answer.stderr)) return answer;
  }
  return undefined;
}

function run(command: string, args: string[], signal?: AbortSignal): Promise<Answer> {
  // Windows starts command files (npm.cmd) only through its shell, which is safe, since arguments are validated names
  // and fixed options.
  const options = { maxBuffer: 1 << 28, signal, windowsHide: true, shell: command.endsWith(".cmd") };
  return new Promise((resolve, reject) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      if (signal?.aborted) reject(signal.reason);
      else resolve({ status: error === null ? 0 : (error.code ?? codeOf(error) ?? 1), stdout, stderr });
    });
  });
}

export const lastLine = (text: string): string => text.trim().split("\n").at(-1)?.trim() || "it gave no reason";
