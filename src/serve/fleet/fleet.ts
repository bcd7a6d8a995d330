import type { Logger } from "pino";
import { UserError } from "../../util/errors.ts";
import { HttpError } from "../http/errors.ts";
import type { RemoteOptions } from "./file.ts";
import { Remote } from "./remote.ts";
import { openTransport, type Transport } from "./transport.ts";

/** The destination of a request whose model is on other servers. */
export interface Destination {
  readonly remote: Remote;
  /** The model's name on its servers, with the requested recipe. */
  readonly model: string;
}

/** The models on other servers, by name. No request can add one: all are named at startup. */
export class Fleet {
  readonly #cut = new AbortController();

  private constructor(
    private readonly remotes: ReadonlyMap<string, Remote>,
    private readonly transport: Transport | undefined,
  ) {}

  /** Checks every server once before it returns, and repeatedly from then on. @throws UserError */
  static async open(models: readonly RemoteOptions[], log: Logger): Promise<Fleet> {
    const twice = models.find(({ name }, i) => models.findIndex((m) => m.name === name) < i);
    if (twice) throw new UserError(`two models are named "${twice.name}"`, 2);
    if (models.length === 0) return new Fleet(new Map(), undefined);
    const transport = await openTransport();
    const fleet = new Fleet(new Map(models.map((m) => [m.name, new Remote(m, transport, log)])), transport);
    await Promise.all(fleet.list().map((remote) => remote.watch()));
    return fleet;
  }

  list(): Remote[] {
    return [...this.remotes.values()];
  }

  /** The number of running and of waiting requests per model. */
  running(): { id: string; users: number; waiting: number }[] {
    return this.list().map(({ options, running, waiting }) => ({ id: options.name, users: running, waiting }));
  }

  /** Finds a model by its name, or by the name of a recipe that Modicum servers have for it (`smollm2@fast`). */
  find(name: string): Destination | undefined {
    const [, base, recipe = ""] = /^([^@]*)(@.*)?$/s.exec(name) ?? [];
    const remote = this.remotes.get(base ?? "");
    if (!remote || (recipe !== "" && remote.options.kind !== "modicum")) return undefined;
    return { remote, model: remote.options.model + recipe };
  }

  /** Aborted when answers must end at once. */
  get cut(): AbortSignal {
    return this.#cut.signal;
  }

  /** Running answers may continue for `patience` milliseconds, then end early. */
  close(patience: number): void {
    for (const { servers } of this.list()) for (const server of servers) server.close();
    setTimeout(() => this.#cut.abort(new HttpError(503, "the server is stopping")), patience).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transport?.close();
  }
}
