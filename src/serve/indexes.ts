import { openIndex } from "../library/open-index.ts";
import type { SearchIndex } from "../library/search-index.ts";
import { suggest } from "../util/errors.ts";
import { HttpError } from "./http/errors.ts";
import type { Key } from "./keys/store.ts";

/** A server's search indexes by name. No request can add one: all are named at startup. */
export class Indexes implements AsyncDisposable {
  constructor(private readonly all: readonly SearchIndex[]) {}

  /** `store`: the address of the indexes' database, if they are not files. @throws UserError */
  static async open(names: readonly string[], store: string | undefined): Promise<Indexes> {
    const all: SearchIndex[] = [];
    try {
      for (const name of new Set(names)) all.push(await openIndex(name, { store }));
    } catch (error) {
      await new Indexes(all)[Symbol.asyncDispose]();
      throw error;
    }
    return new Indexes(all);
  }

  /** @throws HttpError 404, also for an index outside the key's terms, whose existence stays hidden */
  find(name: string, key: Key | undefined): SearchIndex {
    const mine = this.all.filter((index) => key?.terms.index?.includes(index.name) ?? true);
    const found = mine.find((index) => index.name === name);
    if (found) return found;
    const hint = suggest(
      name,
      mine.map((index) => index.name),
    );
    throw new HttpError(404, `no index is called "${name.slice(0, 60)}" here${hint}`, {
      param: "index",
      code: "index_not_found",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((index) => index.close()));
  }
}
