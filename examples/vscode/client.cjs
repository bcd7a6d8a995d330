"use strict";

/** Characters around the cursor that the model reads: about 1,000 tokens before it and 250 after it. */
const [BEFORE, AFTER] = [3000, 750];

/** Asks a server of Modicum, through OpenAI's API, what comes next at the cursor. */
class CompletionClient {
  /** @param {import("./client.cjs").ClientOptions} options */
  constructor(options) {
    this.options = options;
  }

  /**
   * Waits for a pause in typing, then asks. `signal` is aborted by the next key: nothing is asked any more, or the
   * server stops and bills what it has run. Resolves to undefined if there is nothing to show.
   */
  async complete(before, after, signal) {
    if (before.trim() === "" || !(await pause(this.options.pause, signal))) return undefined;
    const answer = await this.#ask(bodyOf(before, after, this.options), signal);
    if (answer === undefined) return undefined;
    if (answer.error) throw new Error(answer.error.message);
    const [{ text, stopped = false }] = answer.choices;
    return { text: text.trimEnd(), stopped, receipt: answer.receipt };
  }

  async #ask(body, signal) {
    const { server, apiKey } = this.options;
    const headers = { "content-type": "application/json", ...(apiKey && { authorization: `Bearer ${apiKey}` }) };
    try {
      const request = { method: "POST", headers, body: JSON.stringify(body), signal };
      return await (await fetch(`${server}/v1/completions`, request)).json();
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
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

function bodyOf(before, after, { model, savings, maxTokens }) {
  const prompt = before.slice(-BEFORE);
  const suffix = after.slice(0, AFTER);
  return { model, savings, prompt, suffix, stop: stopOf(before, after), max_tokens: maxTokens, temperature: 0 };
}

/** On an empty line, all lines up to a blank one; else the rest of the line. */
function stopOf(before, after) {
  const line = before.slice(before.lastIndexOf("\n") + 1) + after.split("\n", 1)[0];
  return line.trim() === "" ? ["\n\n"] : ["\n"];
}

module.exports = { CompletionClient };
