import { inFile, UserError } from "../../util/errors.ts";
import type { Batch } from "./batch.ts";
import { got, type TextReading } from "./reading.ts";
import type { PlacedRecord } from "./records.ts";
import { byLength, inRows, type TextSample, type TextSamples } from "./text-rows.ts";

/**
 * Reads queries with their documents. A sample consists of a query, the document that answers it, and documents that do
 * not.
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
 * The queries, then all their documents, both by increasing length. A document that answers several queries gets only
 * one row, so that it does not count as wrong for any of these queries.
 */
export function pairBatch(samples: readonly TextSample[]): Batch {
  const sorted = samples.toSorted((a, b) => byLength(a.texts[0]!, b.texts[0]!));
  const unique = new Map(sorted.flatMap(({ texts }) => texts.slice(1).map((ids) => [ids.join(), ids] as const)));
  const documents = [...unique].sort(([, a], [, b]) => byLength(a, b));
  const places = new Map(documents.map(([key], place) => [key, place]));
  return {
    ...inRows([...sorted.map(({ texts }) => texts[0]!), ...documents.map(([, ids]) => ids)]),
    labels: Int32Array.from(sorted, ({ texts }) => places.get(texts[1]!.join())!),
    ...{ labelled: samples.length, samples: samples.length },
  };
}
