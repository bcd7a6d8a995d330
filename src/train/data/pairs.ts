import { inFile, UserError } from "../../util/errors.ts";
import type { Batch } from "./batch.ts";
import { got, type TextReading } from "./reading.ts";
import type { PlacedRecord } from "./records.ts";
import { inRows, type TextSample, type TextSamples } from "./text-rows.ts";

/**
 * Reads queries with their documents: the texts of a sample are the query, the document that answers it, and those that
 * do not.
 * @throws UserError with file and line
 */
export function pairsOf(records: readonly PlacedRecord[], reading: TextReading, limit: number): TextSamples {
  const samples = records.map(({ where, record }) =>
    inFile(where, () => {
      if (record.kind !== "ranked")
        throw new UserError(`expected "query" and "positive" to train embeddings, got ${got(record)}`);
      const texts = [record.query, record.positive, ...record.negatives];
      return { texts: texts.map((text) => reading.read(text, "embedding", limit)) };
    }),
  );
  return { head: { kind: "embedding" }, samples, batch: pairBatch };
}

/**
 * Queries, then all of their documents. A document that several queries have is one row, since it is not wrong for any
 * of them.
 */
export function pairBatch(samples: readonly TextSample[]): Batch {
  const documents = new Map<string, { readonly ids: Int32Array; readonly place: number }>();
  const placeOf = (ids: Int32Array): number => {
    const key = ids.join();
    const known = documents.get(key) ?? { ids, place: documents.size };
    documents.set(key, known);
    return known.place;
  };
  const places = samples.map(({ texts }) => texts.slice(1).map(placeOf));
  const rows = [...samples.map(({ texts }) => texts[0]!), ...[...documents.values()].map(({ ids }) => ids)];
  return {
    ...inRows(rows),
    labels: Int32Array.from(places, ([positive]) => positive!),
    ...{ labelled: samples.length, samples: samples.length },
  };
}
