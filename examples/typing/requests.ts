/** Requests that a client sent through `fetch`. */
export interface Requests {
  sent: number;
  /** Milliseconds of each completely read answer; all others were cancelled. */
  readonly whole: number[];
}

/** Counts the requests sent from now on. */
export function countRequests(): Requests {
  const requests: Requests = { sent: 0, whole: [] };
  const { fetch } = globalThis;
  globalThis.fetch = async (...call) => {
    requests.sent++;
    const started = performance.now();
    const response = await fetch(...call);
    const end = new TransformStream({ flush: () => void requests.whole.push(performance.now() - started) });
    return new Response(response.body?.pipeThrough(end) ?? null, response);
  };
  return requests;
}
