import { UserError } from "../../util/errors.ts";
import type { Item } from "../item.ts";
import type { Result } from "../results.ts";
import type { Task } from "../task.ts";
import { itemHash } from "./item-hash.ts";
import { metricsOf } from "./judge.ts";

/** The identity of a cell's results. */
interface Own {
  readonly task: Task;
  readonly items: readonly Item[];
}

/**
 * Checks that results, one per line, belong to a cell's items and metrics, each once. @throws UserError that names the
 * file and the line
 */
export function requireOwn(path: string, results: readonly Result[], { task, items }: Own): void {
  const hashes = new Map(items.map((item) => [item.id, itemHash(item)]));
  const metrics = metricsOf(task).map(({ name }) => name);
  const seen = new Set<string>();
  for (const [i, result] of results.entries()) {
    const key = JSON.stringify([result.recipe, result.item]);
    const message = seen.has(key) ? `item "${result.item}" occurs twice under ${result.recipe}` : foreign(result);
    if (message !== undefined)
      throw new UserError(`${path}, line ${i + 1} is not a result of this run: ${message}; --force starts over`);
    seen.add(key);
  }

  function foreign({ item, item_hash, parts }: Result): string | undefined {
    const hash = hashes.get(item);
    if (hash === undefined) return `${task.name} has no item "${item}" here`;
    // Older runs have no hash.
    if (item_hash !== undefined && item_hash !== hash) return `its item "${item}" is a different question`;
    const missing = metrics.find((name) => parts[name] === undefined);
    return missing && `it has no values for the metric ${missing}`;
  }
}
