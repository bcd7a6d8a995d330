"use strict";

/** Characters around the cursor that the model reads: about 1,000 tokens before it and 250 after it. */
const [BEFORE, AFTER] = [3000, 750];

/** One request for a completion at a place. Its text arrives piece by piece. */
class CompletionRequest {
  #text = "";
  #receipt;
  #stopped = false;
  #over = false;
  #controller = new AbortController();
  #latest;

  /** Sends it. `onEnd` is called with its milliseconds, and whether it was cancelled. */
  constructor(options, before, after, onEnd) {
    this.before = before;
    this.after = after;
    this.#latest = { before, after };
    this.stop = stopOf(before, after);
    const started = performance.now();
    /** Resolves when the answer is complete or cancelled. Rejects if the server refuses. */
    this.ended = this.#send(options).finally(() => {
      this.#over = true;
      onEnd(performance.now() - started, this.cancelled);
    });
  }

  get cancelled() {
    return this.#controller.signal.aborted;
  }

  cancel() {
    if (!this.#over) this.#controller.abort();
  }

  /** The cursor has moved. Cancels the request unless its answer may still fit there. */
  moved(before, after) {
    this.#latest = { before, after };
    if (!this.#mayFit()) this.cancel();
  }

  /** The rest of the answer at a place reached by typing along it; undefined at any other place. */
  at(before, after) {
    const typed = this.#typed({ before, after });
    const text = this.#text.trimEnd();
    if (this.cancelled || this.#receipt === undefined || typed === undefined || !text.startsWith(typed))
      return undefined;
    if (typed !== "" && typed === text) return undefined;
    return { text: text.slice(typed.length), stopped: this.#stopped, receipt: this.#receipt };
  }

  /** The text typed since the request was sent; undefined if anything else has changed. */
  #typed({ before, after }) {
    return after === this.after && before.startsWith(this.before) ? before.slice(this.before.length) : undefined;
  }

  #mayFit() {
    const typed = this.#typed(this.#latest);
    if (typed === undefined || this.stop.some((stop) => typed.includes(stop))) return false;
    return this.#text.startsWith(typed) || typed.startsWith(this.#text);
  }

  async #send(options) {
    const { server, apiKey, model, savings, maxTokens } = options;
    const headers = { "content-type": "application/json", ...(apiKey && { authorization: `Bearer ${apiKey}` }) };
    const prompt = this.before.slice(-BEFORE);
    const suffix = this.after.slice(0, AFTER);
    const drawing = { stop: this.stop, max_tokens: maxTokens, temperature: 0, stream: true };
    const body = JSON.stringify({ model, savings, prompt, suffix, ...drawing });
    const { signal } = this.#controller;
    try {
      const response = await fetch(`${server}/v1/completions`, { method: "POST", headers, body, signal });
      if (!response.ok) throw new Error(await refusalOf(response));
      for await (const event of eventsOf(response)) this.#take(event);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #take({ error, choices, receipt }) {
    if (error) throw new Error(error.message);
    const [choice] = choices;
    this.#text += choice?.text ?? "";
    this.#stopped ||= choice?.stopped ?? false;
    this.#receipt = receipt ?? this.#receipt;
    if (!this.#mayFit()) this.cancel();
  }
}

/** Why the server refused: its sentence, or the status of another program's response. */
async function refusalOf(response) {
  const text = await response.text();
  try {
    return JSON.parse(text).error.message;
  } catch {
    return `${response.status} ${response.statusText}`;
  }
}

/** The JSON of a stream's server-sent events. */
async function* eventsOf(response) {
  let rest = "";
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data: {")) yield JSON.parse(line.slice("data: ".length));
  }
}

/** On an empty line, all lines up to a blank one; else the rest of the line. */
function stopOf(before, after) {
  const line = before.slice(before.lastIndexOf("\n") + 1) + after.split("\n", 1)[0];
  return line.trim() === "" ? ["\n\n"] : ["\n"];
}

module.exports = { CompletionRequest };
