import { appendFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { makeFolders } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";
import type { StepReport } from "../session/run.ts";

/** Field numbers in TensorBoard's protocol buffers. */
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const VALUE = { tag: 1, simpleValue: 2 } as const;
/** The field number both of `Summary.value` and of `SessionLog.status`. */
const FIRST = 1;
const START = 1;

/** A file of TensorBoard events, with a run's metrics by step. */
export class EventFile {
  readonly #file: string;

  /** Creates a file whose first record makes TensorBoard drop other files' steps after `done`. @throws UserError */
  constructor(run: string, done: number) {
    const folder = path.join(run, "tensorboard");
    this.#file = path.join(folder, `events.out.tfevents.${Date.now()}.${os.hostname()}`);
    this.#written(() => makeFolders(folder));
    this.#add(0, (event) => event.tag(EVENT.fileVersion, WireType.LengthDelimited).string("brain.Event:2"));
    this.#add(done + 1, (event) => {
      event.tag(EVENT.sessionLog, WireType.LengthDelimited).fork();
      event.tag(FIRST, WireType.Varint).uint32(START).join();
    });
  }

  /** Adds a step's metrics, named as in transformers' trainer. @throws UserError if writing fails */
  add(report: StepReport): void {
    this.#add(report.step, (event) => {
      event.tag(EVENT.summary, WireType.LengthDelimited).fork();
      for (const [tag, value] of Object.entries(figuresOf(report))) {
        event.tag(FIRST, WireType.LengthDelimited).fork().tag(VALUE.tag, WireType.LengthDelimited).string(tag);
        event.tag(VALUE.simpleValue, WireType.Bit32).float(value).join();
      }
      event.join();
    });
  }

  #add(step: number, fill: (event: BinaryWriter) => void): void {
    const event = new BinaryWriter().tag(EVENT.wallTime, WireType.Bit64).double(Date.now() / 1000);
    fill(event.tag(EVENT.step, WireType.Varint).int64(step));
    this.#written(() => appendFileSync(this.#file, framed(event.finish())));
  }

  #written(write: () => void): void {
    try {
      write();
    } catch (error) {
      throw writeError(error, this.#file);
    }
  }
}

function figuresOf({ loss, rate, norm, validation, accuracy, tasks }: StepReport): Readonly<Record<string, number>> {
  return {
    ...{ "train/loss": loss, "train/learning_rate": rate, "train/grad_norm": norm },
    ...(validation !== undefined && { "eval/loss": validation }),
    ...(accuracy !== undefined && { "eval/accuracy": accuracy }),
    ...Object.fromEntries(Object.entries(tasks ?? {}).map(([name, value]) => [`eval/${name}`, value])),
  };
}

/** Frames data as a TFRecord: the length, its checksum, the data, and their checksum. */
function framed(data: Uint8Array): Buffer {
  const record = Buffer.alloc(8 + 4 + data.length + 4);
  record.writeBigUInt64LE(BigInt(data.length));
  record.writeUInt32LE(masked(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(masked(data), 12 + data.length);
  return record;
}

/** A record's checksum, rotated so that it differs from checksums inside the data. */
export function masked(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** The table for CRC-32 with Castagnoli's polynomial; Node's `crc32` uses another polynomial. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

const crc32c = (data: Uint8Array): number =>
  ~data.reduce((crc, byte) => TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8), 0xffffffff) >>> 0;
