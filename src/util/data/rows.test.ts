import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Row } from "./row.ts";
import { rowsOf } from "./rows.ts";

/** Written by pyarrow (tools/reference/tables.py). */
const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

async function all(path: string): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of rowsOf(path)) rows.push(row);
  return rows;
}

const values = async (path: string): Promise<unknown[]> => (await all(path)).map(({ value }) => value);

function written(name: string, data: string | Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), "modicum-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, name), data);
  return join(folder, name);
}

describe("tables by pyarrow hold the same rows", () => {
  const lines = readFileSync(fixture("rows.jsonl"), "utf8").trim().split("\n");
  const expected = lines.map((line) => JSON.parse(line));

  test.each(["stream.arrow", "file.arrow", "snappy.parquet", "zstd.parquet", "gzip.parquet", "brotli.parquet"])(
    "%s",
    async (name) => {
      const path = fixture(name);
      expect(await values(path)).toEqual(expected);
      expect((await all(path))[6]).toMatchObject({ where: `${path}: row 7`, number: 7 });
    },
  );

  test("a gzipped one too", async () => {
    const path = written("a.arrow.gz", gzipSync(readFileSync(fixture("stream.arrow"))));
    expect(await values(path)).toEqual(expected);
  });

  test("a damaged one is one sentence", async () => {
    const cut = (name: string) => written(name, readFileSync(fixture(name)).subarray(0, 700));
    await expect(all(cut("stream.arrow"))).rejects.toThrow(/stream\.arrow: this is not a valid Arrow file \(/);
    await expect(all(cut("zstd.parquet"))).rejects.toThrow(/zstd\.parquet: this is not a valid parquet file \(/);
  });
});

describe("JSON lines", () => {
  test("with empty lines, line ends of Windows and no last line end; numbers count the file's lines", async () => {
    const path = written("a.jsonl", '{"a": "é"}\r\n\n  \n[1]\r\n"x"');
    expect((await all(path)).map(({ value, number }) => [value, number])).toEqual([
      [{ a: "é" }, 1],
      [[1], 4],
      ["x", 5],
    ]);
  });

  test("gzipped, longer than what is read at once, with characters that lie across its bounds", async () => {
    const line = JSON.stringify({ text: "é".repeat(70_001) });
    const path = written("a.jsonl.gz", gzipSync(`${line}\n${line}\n`));
    expect(await values(path)).toEqual([JSON.parse(line), JSON.parse(line)]);
  });

  test("an invalid line is named by file and number", async () => {
    const path = written("a.jsonl", '{"a": 1}\n\n{"a": 2\n');
    await expect(all(path)).rejects.toThrow(new RegExp(`^${path}: line 3: this is not JSON \\(`));
  });

  test("invalid gzip or UTF-8 is reported in one sentence", async () => {
    await expect(all(written("a.jsonl.gz", "no"))).rejects.toThrow(/a\.jsonl\.gz: this is not a valid gzip file/);
    const cut = gzipSync('{"a": 1}\n'.repeat(1000)).subarray(0, 40);
    await expect(all(written("a.jsonl.gz", cut))).rejects.toThrow(/a\.jsonl\.gz: this is not a valid gzip file/);
    await expect(all(written("a.jsonl", Uint8Array.of(34, 0xff, 34)))).rejects.toThrow(
      /a\.jsonl: expected text in UTF-8/,
    );
  });
});

test("a JSON list gives its entries, and anything else is refused", async () => {
  const path = written("a.json", '[{"a": 1}, 2]');
  expect(await all(path)).toEqual([
    { where: `${path}: entry 1`, number: 1, value: { a: 1 } },
    { where: `${path}: entry 2`, number: 2, value: 2 },
  ]);
  await expect(all(written("b.json", "{}"))).rejects.toThrow(/b\.json: expected a list of objects$/);
});

describe("CSV", () => {
  test("with quotes, commas and line breaks inside", async () => {
    const path = written("a.csv", '\ufefftext,category\n"a, ""b""\nc",x\n\nd,y\n');
    expect(await values(path)).toEqual([
      { text: 'a, "b"\nc', category: "x" },
      { text: "d", category: "y" },
    ]);
  });

  test("with tabs, where a quote is a quote", async () => {
    expect(await values(written("a.tsv", 'a\tb\n"x\ty\n'))).toEqual([{ a: '"x', b: "y" }]);
  });

  test("a line of another length names file and line", async () => {
    await expect(all(written("a.csv", "a,b\n1,2\n3\n"))).rejects.toThrow(/a\.csv: .*line 3/);
    for (const [text, fault] of [
      ['a,b\nfoo "bar",2\n', /a\.csv: line 2: a value contains a quote but does not begin with one/],
      ['a,b\n"1";2\n', /a\.csv: line 2: a value continues after its closing quote; expected a comma/],
      ['a,b\n"1,2\n', /a\.csv: line \d: a value begins with a quote that is never closed/],
    ] as const)
      await expect(all(written("a.csv", text))).rejects.toThrow(fault);
  });
});

test("a file of another kind, and one that is not there, are one sentence", async () => {
  await expect(all("a.xlsx")).rejects.toThrow(
    /^a\.xlsx: expected a file whose name ends in \.jsonl, .*\.parquet, with/,
  );
  await expect(all("none.jsonl")).rejects.toThrow("none.jsonl: there is no such file");
});
