import { HttpError } from "./http/errors.ts";

/** The running requests, each with a signal that ends it when its client is gone or the server stops. */
export class UnderWay {
  readonly #calls = new Set<AbortController>();
  #idle: (() => void) | undefined;

  begin(client: AbortSignal): { signal: AbortSignal; end: () => void } {
    const controller = new AbortController();
    const leave = () => controller.abort(new HttpError(408, "the client is gone"));
    client.addEventListener("abort", leave, { once: true });
    this.#calls.add(controller);
    const end = () => {
      client.removeEventListener("abort", leave);
      this.#calls.delete(controller);
      if (this.#calls.size === 0) this.#idle?.();
    };
    return { signal: controller.signal, end };
  }

  /** Resolves when no request runs; requests that run longer than `patience` milliseconds are ended. */
  async drain(patience: number): Promise<void> {
    if (this.#calls.size === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    const timer = setTimeout(() => {
      for (const controller of this.#calls) controller.abort(new HttpError(503, "the server is stopping"));
    }, patience);
    await idle;
    clearTimeout(timer);
  }
}
