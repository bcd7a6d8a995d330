import { report } from "./errors.ts";
import { interrupt } from "./interrupt.ts";
import { unwritten } from "./output.ts";
import { runProgram } from "./program.ts";

let ended = false;
/** Stops the work at the first error, as Ctrl-C does. */
const endBy = (statusOf: (error: NodeJS.ErrnoException) => number) => (error: NodeJS.ErrnoException) => {
  if (ended) return;
  ended = true;
  process.exitCode = statusOf(error);
  if (!interrupt(process.exitCode)) process.exit();
};
// A reader that stops early, such as `head`, closes the pipe.
process.stdout.on(
  "error",
  endBy((error) => (error.code === "EPIPE" ? 0 : report(unwritten(error), undefined))),
);
// A promise that nothing awaits has failed, for example in a reward's module.
process.on(
  "uncaughtException",
  endBy((error) => report(error, undefined)),
);
// If the terminal is closed or the disk is full, progress and warnings are lost, but the work continues.
process.stderr.on("error", () => {});
await runProgram(process.argv.slice(2));
