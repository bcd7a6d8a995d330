"use strict";

const { AdaptivePause, pause } = require("./pause.cjs");
const { CompletionRequest } = require("./request.cjs");

/**
 * Asks a Modicum server, through OpenAI's API, for the text at the cursor. At most one request runs at a time, and its
 * answer serves every later key that types along it.
 */
class CompletionClient {
  #pause = new AdaptivePause();
  #request;

  /** @param {import("./client.cjs").ClientOptions} options */
  constructor(options) {
    this.options = options;
  }

  /**
   * The text to show at the cursor; undefined if there is none, or if `signal`, which the next key aborts, comes first.
   * No request is sent while the last answer fits, or the running request still may.
   */
  async complete(before, after, signal) {
    if (before.trim() === "") return undefined;
    const { options } = this;
    const waited = pause(this.#pause.length(options.pause), signal);
    const shown = await this.#along(before, after);
    if (signal.aborted) return undefined;
    if (shown !== undefined) return shown;
    if (!(await waited)) return undefined;
    this.#request?.cancel();
    const request = new CompletionRequest(options, before, after, (milliseconds, cancelled) =>
      cancelled ? this.#pause.cancelled(milliseconds) : this.#pause.answered(milliseconds),
    );
    this.#request = request;
    await request.ended;
    return signal.aborted ? undefined : request.at(before, after);
  }

  /** The answer of the last request, if it fits here. */
  async #along(before, after) {
    const request = this.#request;
    if (request === undefined) return undefined;
    request.moved(before, after);
    // The call that sent it reports the server's refusal.
    await request.ended.catch(() => {});
    return request.at(before, after);
  }
}

module.exports = { CompletionClient };
