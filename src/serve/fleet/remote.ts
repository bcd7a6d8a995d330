import type { Logger } from "pino";
import type { JsonObject } from "../../weights/json.ts";
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

/** A model that other servers run. */
export class Remote {
  readonly servers: readonly Backend[];
  #clock = 0;

  constructor(
    readonly options: RemoteOptions,
    transport: Transport,
    private readonly log: Logger,
  ) {
    this.servers = options.servers.map(({ name, url }) => new Backend(name, url, options, transport, log));
  }

  get running(): number {
    return this.servers.reduce((sum, { running }) => sum + running, 0);
  }

  /**
   * The answer of the server that has least to do; of the next where one does not come to its first token.
   * @throws HttpError when none answers, or one breaks off
   */
  async *answer(outgoing: Outgoing): AsyncGenerator<FromServer, void> {
    const tried = new Map<Backend, Unavailable>();
    for (let backend = this.#choose(tried); backend; backend = this.#choose(tried)) {
      const early: FromServer[] = [];
      let begun = false;
      try {
        for await (const event of exchange(backend, outgoing)) {
          early.push({ event, server: backend.name });
          begun ||= hasContent(event);
          if (begun) yield* early.splice(0);
        }
        return yield* early;
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        this.#note(backend, error, begun);
        tried.set(backend, error);
        if (begun) throw brokeOff(this.options.name);
      }
    }
    throw noneAnswered(this.options.name, [...tried.values()]);
  }

  /** Of those that are up, the one with least to do, and of these the one that was chosen longest ago. */
  #choose(tried: ReadonlyMap<Backend, unknown>): Backend | undefined {
    const able = this.servers.filter((backend) => backend.up && !tried.has(backend));
    const [next] = able.sort((a, b) => a.running - b.running || a.chosen - b.chosen);
    if (next) next.chosen = ++this.#clock;
    return next;
  }

  #note(backend: Backend, { kind, message: reason }: Unavailable, begun: boolean): void {
    if (kind === "down") backend.suspect();
    if (kind === "busy") return;
    this.log.warn({ model: this.options.name, server: backend.name, reason, begun }, "a server did not answer");
  }
}

/** Whether there is more in it than the role: from then on the client has something of this server's. */
function hasContent(event: JsonObject): boolean {
  const choices = choicesOf(event);
  if (choices.length === 0) return !("choices" in event);
  return choices.some((choice) => saysMore(choice) || Boolean(choice["message"] || choice["finish_reason"]));
}
