import { Interrupted } from "./errors.ts";

let running: AbortController | undefined;

/** A signal that Ctrl-C aborts, or `interrupt`; a second Ctrl-C ends the process at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  running = controller;
  process.on("SIGINT", () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Interrupted(130));
  });
  return controller.signal;
}

/** Stops running work, so that it is billed and ends with `status`; false if nothing that can be stopped runs. */
export function interrupt(status: number): boolean {
  running?.abort(new Interrupted(status));
  return running !== undefined;
}
