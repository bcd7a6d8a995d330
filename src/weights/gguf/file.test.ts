import { Buffer, constants } from "node:buffer";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { openGguf, readFloats, readTensor } from "./file.ts";
import { header, memorySource, tensorInfo, writeGguf } from "./gguf.testing.ts";
import { parseGguf } from "./header.ts";
import { GGML_TYPES } from "./types.ts";

const written = fileURLToPath(new URL("./fixtures/written.gguf", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "gguf-"));
afterAll(() => rmSync(folder, { recursive: true }));

function save(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

test("a file on disk reads as the same bytes in memory", () => {
  const { metadata, ...file } = openGguf(written);
  const { metadata: expected, ...inMemory } = parseGguf({ ...memorySource(readFileSync(written)), path: written });
  expect([file.path, file.files]).toEqual([written, [written]]);
  expect(file).toEqual(inMemory);
  expect(metadata.strings("t.strings")).toEqual(expected.strings("t.strings"));
});

test("tensors of every supported type equal the gguf package's to the last bit", () => {
  const file = openGguf(written);
  const { tensors } = JSON.parse(readFileSync(written.replace(".gguf", ".json"), "utf8"));
  expect(file.tensors.size).toBe(17);
  for (const tensor of file.tensors.values()) {
    const floats = readFloats(tensor);
    expect(Buffer.from(floats.buffer).toString("base64")).toBe(tensors[tensor.name].floats);
    expect(floats.length).toBe(tensor.shape.reduce((a, b) => a * b));
  }
});

test("a tensor's bytes, and no others, in a buffer of their own", () => {
  const data = Uint8Array.from({ length: 12 }, (_, i) => i + 1);
  const tensors = ["a", "b"].map((name, i) => ({
    name,
    type: "F32" as const,
    shape: [3],
    data: data.map((x) => x + 20 * i),
  }));
  const file = openGguf(save("two.gguf", writeGguf({ tensors })));
  const bytes = readTensor(file.tensors.get("b")!);
  expect(bytes).toEqual(tensors[1]!.data);
  expect([bytes.constructor, bytes.byteOffset, bytes.buffer.byteLength]).toEqual([Uint8Array, 0, 12]);
});

test("an unsupported type gets one sentence with the file, the tensor and the type", () => {
  const tensors = [{ name: "blk.0.ffn_up.weight", type: "IQ2_S" as const, shape: [1, 256], data: new Uint8Array(82) }];
  const path = save("iq2.gguf", writeGguf({ tensors }));
  const file = openGguf(path);
  const message = `${path}: tensor "blk.0.ffn_up.weight" is of type IQ2_S, which is not supported yet`;
  expect(() => readFloats(file.tensors.get("blk.0.ffn_up.weight")!)).toThrow(new UserError(message));
});

test("a file that cannot be read gets one sentence", () => {
  mkdirSync(join(folder, "folder.gguf"));
  const absent = join(folder, "absent.gguf");
  expect(() => openGguf(absent)).toThrow(new UserError(`${absent}: there is no such file`));
  expect(() => openGguf(join(folder, "folder.gguf"))).toThrow(
    new UserError(`${join(folder, "folder.gguf")}: this is not a file`),
  );
  expect(() => openGguf("/dev/null")).toThrow(new UserError("/dev/null: this is not a file"));
});

test("a path that no file can have gets one sentence", () => {
  expect(() => openGguf("a\0b")).toThrow(UserError);
});

test("a file that shrinks after its header was read", () => {
  const path = save("shrinks.gguf", readFileSync(written));
  const file = openGguf(path);
  const tensor = file.tensors.get("blk.0.q8_0.weight")!;
  const end = tensor.offset + 10;
  truncateSync(path, end);
  expect(() => readTensor(tensor)).toThrow(
    new UserError(`${path}: the file now ends at ${end}: it was shortened while in use`),
  );
});

test("a tensor too large for one buffer is refused before it is allocated", () => {
  const rows = constants.MAX_LENGTH;
  const info = tensorInfo("embedding", [rows], GGML_TYPES.F32.id, 0);
  const path = save("large.gguf", Buffer.concat([header(1, 0), info]));
  truncateSync(path, 4 * rows + 128);
  const file = openGguf(path);
  expect(() => readTensor(file.tensors.get("embedding")!)).toThrow(
    `${path}: tensor "embedding" has ${4 * rows} bytes, more than the limit of this Node.js, ${rows}`,
  );
});
