import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { expect, test } from "vitest";
import { EventFile, masked } from "./tensorboard.ts";

test("the checksum is CRC-32C, rotated", () => {
  // 32 zero bytes have the CRC 0x8a9136aa (RFC 3720, B.4); the polynomial's published check value, for "123456789", is
  // 0xe3069283.
  const rotated = (crc: number) => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  expect(masked(new Uint8Array(32))).toBe(rotated(0x8a9136aa));
  expect(masked(Buffer.from("123456789"))).toBe(rotated(0xe3069283));
});

/** Reads a file's records and verifies their checksums. */
function recordsOf(bytes: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(bytes.readUInt32LE(at + 8)).toBe(masked(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(masked(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

/** Reads a message's fields, keyed by number; nested messages remain bytes. */
function fieldsOf(data: Uint8Array): Map<number, unknown[]> {
  const reader = new BinaryReader(data);
  const fields = new Map<number, unknown[]>();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const read = {
      [WireType.Varint]: () => Number(reader.int64()),
      [WireType.Bit64]: () => reader.double(),
      [WireType.Bit32]: () => reader.float(),
      [WireType.LengthDelimited]: () => reader.bytes(),
    }[type as 0 | 1 | 2 | 5];
    fields.set(field, [...(fields.get(field) ?? []), read()]);
  }
  return fields;
}

const textOf = (bytes: unknown) => Buffer.from(bytes as Uint8Array).toString();

test("an event file: its version, the step that it goes on from, each step's figures", () => {
  const run = mkdtempSync(path.join(tmpdir(), "modicum-events-"));
  const file = new EventFile(run, 4);
  const report = { step: 5, steps: 9, loss: 1.5, rate: 0.25, norm: 3, labelled: 1, tokens: 1, samples: 1, ms: 1 };
  file.add({ ...report, validation: 0.5, tasks: { mine: 0.75 } });
  const folder = path.join(run, "tensorboard");
  const [name] = readdirSync(folder);
  expect(name).toMatch(/^events\.out\.tfevents\.\d+\./);
  const events = recordsOf(readFileSync(path.join(folder, name!))).map(fieldsOf);
  rmSync(run, { recursive: true });
  expect(textOf(events[0]!.get(3)![0])).toBe("brain.Event:2");
  expect(events.slice(1).map((event) => event.get(2)![0])).toEqual([5, 5]);
  expect(fieldsOf(events[1]!.get(7)![0] as Uint8Array)).toEqual(new Map([[1, [1]]]));
  const values = fieldsOf(events[2]!.get(5)![0] as Uint8Array)
    .get(1)!
    .map((value) => fieldsOf(value as Uint8Array));
  expect(values.map((value) => [textOf(value.get(1)![0]), value.get(2)![0]])).toEqual([
    ["train/loss", 1.5],
    ["train/learning_rate", 0.25],
    ["train/grad_norm", 3],
    ["eval/loss", 0.5],
    ["eval/mine", 0.75],
  ]);
});
