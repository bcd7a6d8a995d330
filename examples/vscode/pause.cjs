"use strict";

/** Maximum round trips to remember. */
const RECENT = 9;
/** The pause as a share of a usual round trip: someone who has paused that long is likely to wait for the rest. */
const SHARE = 0.25;
/** The longest pause in milliseconds. */
const LONGEST = 1000;

/** How long to wait after a key before a request, by the time of the last answers. */
class AdaptivePause {
  #recent = [];

  /** A server that answers after `milliseconds`. */
  answered(milliseconds) {
    this.#recent = [...this.#recent, milliseconds].slice(-RECENT);
  }

  /** A request that was cancelled after `milliseconds` would have taken at least that long. */
  cancelled(milliseconds) {
    this.answered(Math.max(milliseconds, this.#median()));
  }

  /** At least `shortest`, however fast the server is. */
  length(shortest) {
    return Math.max(shortest, Math.min(LONGEST, SHARE * this.#median()));
  }

  #median() {
    const sorted = this.#recent.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  }
}

/** True after so many milliseconds; false as soon as the signal is aborted. */
const pause = (milliseconds, signal) =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const timer = setTimeout(() => resolve(true), milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(false);
    });
  });

module.exports = { AdaptivePause, pause };
