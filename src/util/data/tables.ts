import { tableFromIPC } from "@uwdata/flechette";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { UserError } from "../errors.ts";
import { bytesOf } from "./bytes.ts";
import type { Row } from "./row.ts";

/** The rows of an Arrow IPC file or stream. @throws UserError */
export async function* arrowRows(path: string): AsyncGenerator<Row> {
  const bytes = await bytesOf(path);
  const table = await sound(path, "Arrow file", () => tableFromIPC(bytes));
  for (let i = 0; i < table.numRows; i++) yield row(path, i, table.get(i));
}

/** The rows of a parquet file of any compression. @throws UserError */
export async function* parquetRows(path: string): AsyncGenerator<Row> {
  const { buffer } = await bytesOf(path);
  const rows = await sound(path, "parquet file", () => parquetReadObjects({ file: buffer, compressors }));
  for (const [i, value] of rows.entries()) yield row(path, i, value);
}

const row = (path: string, i: number, value: unknown): Row => ({
  where: `${path}: row ${i + 1}`,
  number: i + 1,
  value: plain(value),
});

async function sound<T>(path: string, what: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new UserError(`${path}: this is not a valid ${what} (${(error as Error).message})`);
  }
}

/** JSON values: lists for typed arrays, numbers for 64-bit integers that are exact as doubles. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as never, plain);
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
