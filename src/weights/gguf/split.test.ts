import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { openGguf, readFloats } from "./file.ts";
import { type Field, writeGguf } from "./gguf.testing.ts";

/** Written by the gguf package: tools/reference/gguf_dequant.py. */
const written = fileURLToPath(new URL("./fixtures/split-00001-of-00003.gguf", import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gguf-split-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (part: number, count = 3) => join(folder, `model-0000${part}-of-0000${count}.gguf`);

interface PartSpec {
  no: number;
  count: number;
  total: number;
  tensors: string[];
}

/** Writes part `part` of three parts with two tensors each, changed by `change`. */
function save(part: number, change: Partial<PartSpec> = {}): void {
  const names = [`t.${2 * part}`, `t.${2 * part + 1}`];
  const { no, count, total, tensors } = { no: part - 1, count: 3, total: 6, tensors: names, ...change };
  const metadata: Record<string, Field> = {
    "split.no": ["uint16", no],
    "split.count": ["uint16", count],
    "split.tensors.count": ["int32", total],
  };
  const infos = tensors.map((name) => ({ name, type: "F32" as const, shape: [1], data: new Uint8Array(4) }));
  writeFileSync(at(part), writeGguf({ metadata, tensors: infos }));
}

function saveAll(): void {
  for (const part of [1, 2, 3]) save(part);
}

describe("a file that the gguf package split", () => {
  const file = openGguf(written);

  test("the first opens all", () => {
    const parts = [1, 2, 3].map((part) => written.replace("00001", `0000${part}`));
    expect(file).toMatchObject({ path: written, files: parts });
    expect(file.metadata.string("t.string")).toBe("in the first part");
    const places = [...file.tensors.values()].map(({ name, path }) => [name, parts.indexOf(path)]);
    expect(Object.fromEntries(places)).toEqual({ "t.0": 0, "t.1": 0, "t.2": 1, "t.3": 1, "t.4": 2 });
  });

  test("tensors are read from the part that has them", () => {
    for (let i = 0; i < 5; i++) {
      const expected = Float32Array.from({ length: i + 1 }, (_, j) => i + j);
      expect(readFloats(file.tensors.get(`t.${i}`)!)).toEqual(expected);
    }
  });
});

test("a first part without tensors, its parts links into a cache of blobs", () => {
  saveAll();
  save(1, { total: 4, tensors: [] });
  save(2, { total: 4 });
  save(3, { total: 4 });
  for (const part of [1, 2, 3]) {
    writeFileSync(join(folder, `blob${part}`), readFileSync(at(part)));
    rmSync(at(part));
    symlinkSync(`blob${part}`, at(part));
  }
  expect([...openGguf(at(1)).tensors.keys()]).toEqual(["t.4", "t.5", "t.6", "t.7"]);
});

test("one part of one is a whole file, whatever its name", () => {
  save(1, { count: 1, total: 2 });
  expect(openGguf(at(1)).files).toEqual([at(1)]);
});

describe("one sentence for", () => {
  const message = (path = at(1)): string => {
    try {
      openGguf(path);
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      return (error as UserError).message;
    }
    return "no error";
  };

  beforeEach(saveAll);

  test("another part than the first", () => {
    expect(message(at(2))).toBe(`${at(2)}: this is part 2 of 3 of a split file; open the first part: ${at(1)}`);
  });

  test("a part under another name", () => {
    const renamed = join(folder, "model.gguf");
    writeFileSync(renamed, readFileSync(at(1)));
    const expected = 'expected its name to end with "-00001-of-00003.gguf"';
    expect(message(renamed)).toBe(`${renamed}: this is part 1 of 3 of a split file, ${expected}`);
  });

  test("a missing part", () => {
    rmSync(at(3));
    expect(message()).toBe(`${at(1)}: part 3 of 3 is missing, expected at ${at(3)}`);
  });

  test("a part that is no GGUF file", () => {
    writeFileSync(at(2), "oops");
    expect(message()).toBe(`${at(2)}: this is not a GGUF file: it begins with "oops", expected "GGUF"`);
  });

  test.each<[string, Partial<PartSpec>, string]>([
    ["another place", { no: 2 }, "its split.no is 2, expected 1"],
    ["another count", { count: 4 }, "its split.count is 4, expected 3"],
    ["another total", { total: 7 }, "its split.tensors.count is 7, expected 6"],
  ])("a foreign part: %s", (_, change, problem) => {
    save(2, change);
    expect(message()).toBe(`${at(2)}: this is not part 2 of 3 of ${at(1)}: ${problem}`);
  });

  test("a part of a file that was not split", () => {
    writeFileSync(at(2), writeGguf({}));
    expect(message()).toMatch(new RegExp(`^${at(2)}: metadata "split.no" is missing`));
  });

  test("a tensor in two parts", () => {
    save(3, { tensors: ["t.6", "t.4"] });
    expect(message()).toBe(`${at(3)}: tensor "t.4" is also in ${at(2)}`);
  });

  test("a tensor that no part has", () => {
    save(3, { tensors: ["t.6"] });
    expect(message()).toBe(`${at(1)}: its 3 parts hold 5 tensors, but its split.tensors.count is 6`);
  });

  test("a count of parts that no one has", () => {
    const path = join(folder, "model-00001-of-4294967295.gguf");
    const metadata: Record<string, Field> = { "split.no": ["uint16", 0], "split.count": ["uint32", 2 ** 32 - 1] };
    writeFileSync(path, writeGguf({ metadata }));
    expect(message(path)).toMatch(/part 2 of 4294967295 is missing/);
  });
});
