import type { Command } from "commander";
import { UserError } from "../util/errors.ts";

/** Why a command was stopped by Ctrl-C; what was cut short may have thrown it, or an AbortError caused by it. */
export class Interrupted extends Error {
  override readonly name = "AbortError";
}

/** Says on stderr, in one sentence, what went wrong; returns the exit status. `DEBUG=modicum` adds the stack. */
export function report(error: unknown, command: Command | undefined): number {
  if (process.env["DEBUG"]?.split(",").includes("modicum")) console.error(error);
  if (isInterruption(error)) return 130;
  if (!(error instanceof Error)) return say(`unexpected: ${error}`, 1);
  if (error.name === "AbortError") return say(error.message, 130);
  if (!(error instanceof UserError))
    return say(`unexpected: ${error.message} (DEBUG=modicum shows where it came from)`, 1);
  say(error.message, error.exitCode);
  if (error.exitCode === 2 && command) process.stderr.write(`\n${command.helpInformation({ error: true })}`);
  return error.exitCode;
}

const isInterruption = (error: unknown): boolean =>
  error instanceof Interrupted || (error instanceof Error && error.cause instanceof Interrupted);

function say(sentence: string, status: number): number {
  process.stderr.write(`error: ${sentence.trim()}\n`);
  return status;
}

/** A warning on stderr; the command goes on. */
export function warn(sentence: string): void {
  process.stderr.write(`warning: ${sentence}\n`);
}
