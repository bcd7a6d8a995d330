import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import { codeOf } from "../util/system-errors.ts";

/**
 * Kills the process when it exits without its terminal, before Node tries to restore the terminal's settings and aborts.
 */
export function endWithoutTerminal(): void {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  if (terminals.length === 0) return;
  // Loads the C library now, since modules cannot be loaded at exit.
  void import("../runtime/libc.ts").then(({ endAtOnce }) =>
    process.once("exit", (status) => {
      if (terminals.some(isGone)) endAtOnce(status);
    }),
  );
}

/** True if a terminal has hung up, after which even an empty write fails. */
function isGone(fd: number): boolean {
  try {
    writeSync(fd, new Uint8Array(0));
    return false;
  } catch (error) {
    return codeOf(error) === "EIO";
  }
}
