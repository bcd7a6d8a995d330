import { report } from "./errors.ts";
import { interrupt } from "./interrupt.ts";
import { unwritten } from "./output.ts";
import { runProgram } from "./program.ts";

let unread = false;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (unread) return;
  unread = true;
  // A reader that stops early, such as `head`, closes the pipe.
  process.exitCode = error.code === "EPIPE" ? 0 : report(unwritten(error), undefined);
  if (!interrupt(process.exitCode)) process.exit();
});
// If the terminal is closed or the disk is full, progress and warnings are lost, but the work continues.
process.stderr.on("error", () => {});
await runProgram(process.argv.slice(2));
