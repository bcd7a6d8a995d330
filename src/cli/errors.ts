import type { Command } from "commander";
import { OptionError, type UserError } from "../util/errors.ts";

/**
 * Thrown if a command was stopped by Ctrl-C, or because its output was closed. Interrupted work throws it, or an
 * AbortError caused by it.
 */
export class Interruption extends Error {
  override readonly name = "AbortError";
  constructor(readonly status: number) {
    super("interrupted");
  }
}

/** `topK` → `--top-k`. */
export const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

/** A command's usage line, shown after a usage error. */
export function usage(command: Command): string {
  const call = callOf(command);
  return `usage: ${call} ${command.usage()} (see ${call} --help)`;
}

/** `modicum keys create`. */
export const callOf = (command: Command): string =>
  command.parent ? `${callOf(command.parent)} ${command.name()}` : command.name();

/** The subcommand of `command` that `words` name. */
export function calledBy(words: readonly string[], command: Command): Command {
  const inner = command.commands.find((c) => c.name() === words[0]);
  return inner ? calledBy(words.slice(1), inner) : command;
}

/** Prints one sentence about the error on stderr; returns the exit status. `DEBUG=modicum` adds the stack. */
export function report(error: unknown, command: Command | undefined): number {
  if (process.env["DEBUG"]?.split(",").includes("modicum")) console.error(error);
  const interrupted = interruptionOf(error);
  if (interrupted) return interrupted.status;
  if (!(error instanceof Error)) return say(`unexpected: ${error}`, 1);
  if (error.name === "AbortError") return say(error.message, 130);
  if (!isUserError(error)) return say(`unexpected: ${error.message} (DEBUG=modicum shows the stack)`, 1);
  say(sentenceOf(error), error.exitCode);
  if (error.exitCode === 2 && command) process.stderr.write(`${usage(command)}\n`);
  return error.exitCode;
}

/** The error's message, with the flag in place of the option's name. */
const sentenceOf = (error: UserError): string =>
  error instanceof OptionError ? `${flagOf(error.option)} ${error.reason}` : error.message;

/** Compared by name, because benches are loaded from the sources, which define another class with that name. */
const isUserError = (error: Error): error is UserError => error.name === "UserError";

const interruptionOf = (error: unknown): Interruption | undefined =>
  [error, error instanceof Error && error.cause].find((e) => e instanceof Interruption);

function say(sentence: string, status: number): number {
  process.stderr.write(`error: ${sentence.trim()}\n`);
  return status;
}

/** A warning on stderr; the command continues. */
export function warn(sentence: string): void {
  process.stderr.write(`warning: ${sentence}\n`);
}
