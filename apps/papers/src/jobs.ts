/** A job that runs until it is stopped. */
export type Job = (signal: AbortSignal) => Promise<void>;

/** Runs jobs side by side until all have ended; if one fails, the others are stopped, and its error is thrown. */
export async function runJobs(jobs: readonly Job[], signal: AbortSignal): Promise<void> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const running = jobs.map((job) => job(either));
  try {
    await Promise.all(running);
  } finally {
    failed.abort();
    await Promise.allSettled(running);
  }
}

/** A job that waits until it is stopped. */
export const untilStopped: Job = (signal) =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
