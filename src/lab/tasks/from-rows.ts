import type { z } from "zod";
import { parseRow, type Row } from "../../util/data/row.ts";
import { rowsOf } from "../../util/data/rows.ts";
import { UserError } from "../../util/errors.ts";
import { filesOf, type Place, placeName } from "../../weights/sources/data-place.ts";
import type { ItemKind, ItemOf } from "../item.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { drawn } from "./draw.ts";

/** A row's question; its id defaults to its number. */
export type Body<K extends ItemKind> = Omit<ItemOf<K>, "kind" | "id"> & { readonly id?: string };

/** A task whose items are rows of a data set; of several rows with the same id, only the first is used. */
export interface RowsTask<K extends ItemKind, R> extends Omit<TaskOf<K>, "source" | "items"> {
  readonly place: Place;
  readonly row: z.ZodType<R>;
  /** @param number the row's number in its file, from 1 */
  item(row: R, number: number): Body<K>;
}

/** The task, with items in an order determined by the seed. */
export function fromRows<K extends ItemKind, R>(task: RowsTask<K, R>): TaskOf<K> {
  const { place, row: _row, item: _item, ...fields } = task;
  return { ...fields, source: placeName(place), items: (run) => itemsOf(task, run) };
}

async function* itemsOf<K extends ItemKind, R>(task: RowsTask<K, R>, run: ItemsFor): AsyncGenerator<ItemOf<K>> {
  const items = new Map<string, ItemOf<K>>();
  for (const path of await filesOf(task.place, run)) {
    for await (const row of rowsOf(path)) {
      const item = itemOf(task, row);
      if (!items.has(item.id)) items.set(item.id, item);
    }
  }
  if (items.size === 0) throw new UserError(`${placeName(task.place)}: there are no items in it`);
  yield* drawn([...items.values()], run);
}

/** An item: the body of its kind, with the fields that all items have. */
function itemOf<K extends ItemKind, R>(task: RowsTask<K, R>, row: Row): ItemOf<K> {
  const body = task.item(parseRow(task.row, row), row.number);
  return { kind: task.kind, ...body, id: body.id ?? String(row.number) } as unknown as ItemOf<K>;
}
