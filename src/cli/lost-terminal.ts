import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import { codeOf } from "../util/system-errors.ts";

/**
 * Ends the process at its exit if its terminal is gone. Otherwise, Node would try to restore the terminal's settings,
 * and abort if it cannot.
 */
export function endWithoutTerminal(): void {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  if (terminals.length === 0) return;
  // At an exit it is too late to load anything, and few commands need the C library.
  void import("../runtime/libc.ts").then(({ endAtOnce }) =>
    process.once("exit", (status) => {
      if (terminals.some(isGone)) endAtOnce(status);
    }),
  );
}

/** A terminal after a hang-up refuses even an empty write. */
function isGone(fd: number): boolean {
  try {
    writeSync(fd, new Uint8Array(0));
    return false;
  } catch (error) {
    return codeOf(error) === "EIO";
  }
}
