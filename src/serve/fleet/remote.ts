import type { Logger } from "pino";
import type { JsonObject } from "../../weights/json.ts";
import { Admission } from "./admission.ts";
import { Backend } from "./backend.ts";
import { choicesOf, exchange, type Outgoing, saysMore } from "./exchange.ts";
import type { RemoteOptions } from "./file.ts";
import type { Transport } from "./transport.ts";
import { brokeOff, noneAnswered, Unavailable } from "./unavailable.ts";

/** A piece of a server's answer. */
export interface FromServer {
  readonly event: JsonObject;
  readonly server: string;
}

/** A model on other servers. */
export class Remote {
  readonly servers: readonly Backend[];
  readonly #admission: Admission;

  constructor(
    readonly options: RemoteOptions,
    transport: Transport,
    private readonly log: Logger,
  ) {
    this.servers = options.servers.map(({ name, url }) => new Backend(name, url, options, transport, log));
    this.#admission = new Admission(this.servers, options);
  }

  get running(): number {
    return this.servers.reduce((sum, { running }) => sum + running, 0);
  }

  get waiting(): number {
    return this.#admission.waiting;
  }

  /** Checks each server once before it returns, and repeatedly from then on. */
  async watch(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.watch(() => this.#admission.admit())));
  }

  /**
   * The answer of the least busy server, or of the next if one fails before its first token. Keys have equal shares of
   * the queue.
   * @throws HttpError if no server answers, or the answer breaks off; Refused if too many requests wait
   */
  async *answer(outgoing: Outgoing, key: string): AsyncGenerator<FromServer, void> {
    const tried = new Map<Backend, Unavailable>();
    let answered = false;
    while (!answered) answered = yield* this.#tryNext(outgoing, key, tried);
  }

  async *#tryNext(
    outgoing: Outgoing,
    key: string,
    tried: Map<Backend, Unavailable>,
  ): AsyncGenerator<FromServer, boolean> {
    using place = await this.#admission.place({ key, tried, signal: outgoing.signal });
    if (!place) throw noneAnswered(this.options.name, [...tried.values()]);
    const { backend } = place;
    const early: FromServer[] = [];
    let begun = false;
    try {
      for await (const event of exchange(backend, outgoing)) {
        early.push({ event, server: backend.name });
        begun ||= hasContent(event);
        if (begun) yield* early.splice(0);
      }
      yield* early;
      return true;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      this.#note(backend, error, begun);
      tried.set(backend, error);
      if (begun) throw brokeOff(this.options.name);
      return false;
    }
  }

  #note(backend: Backend, { kind, message: reason }: Unavailable, begun: boolean): void {
    if (kind === "down") backend.suspect();
    if (kind === "busy") return;
    this.log.warn({ model: this.options.name, server: backend.name, reason, begun }, "a server did not answer");
  }
}

/** True if the event has more than the role: once it is sent, the client has part of this server's answer. */
function hasContent(event: JsonObject): boolean {
  const choices = choicesOf(event);
  if (choices.length === 0) return !("choices" in event);
  return choices.some((choice) => saysMore(choice) || Boolean(choice["message"] || choice["finish_reason"]));
}
