import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bundled } from "../../util/bundled.testing.ts";
import { fileState } from "../file-state.ts";
import { PreparedStore } from "./store.ts";
import { discard, isFolderSound } from "./store-index.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "modicum-prepared-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const FINISHED = ["weights.bin", "weights.json", "weights.state"];
const files = () => readdirSync(folder).toSorted();

const script = bundled(new URL("./writer.testing.ts", import.meta.url));
function writer(mode: "commit" | "hang"): ChildProcess {
  return spawn(process.execPath, [script, folder, mode], { stdio: ["ignore", "pipe", "inherit"] });
}

function fill(store: PreparedStore): void {
  const values = Float32Array.of(1, 2, 3);
  store.addFloats("v", { shape: [3], data: store.append(values) });
  const codes = store.append(Uint8Array.of(7, 8, 9));
  const form = { rows: 1, cols: 32, bits: 8, corrected: false } as const;
  store.addMatrix("m", { ...form, codes, scale: store.append(values), zero: store.append(codes8) });
}
const codes8 = Uint8Array.of(1);

test("what was appended is found by the next store, aligned, byte for byte", () => {
  const store = new PreparedStore(folder, "a model");
  fill(store);
  store.commit();
  const again = new PreparedStore(folder, "a model");
  const { data } = again.floats("v")!;
  const { codes, zero } = again.matrix("m")!;
  const bytes = readFileSync(again.file);
  expect([...new Float32Array(new Uint8Array(bytes.subarray(data.offset, data.offset + 12)).buffer)]).toEqual([
    1, 2, 3,
  ]);
  expect([...bytes.subarray(codes.offset, codes.offset + codes.bytes)]).toEqual([7, 8, 9]);
  for (const span of [data, codes, zero]) expect(span.offset % 64).toBe(0);
  expect(again.floats("other")).toBeUndefined();
});

test("the file is written once: the next store changes nothing, unless more is asked for, which leaves the rest in place", () => {
  const store = new PreparedStore(folder, "a model");
  fill(store);
  store.commit();
  const before = statSync(store.file);
  const again = new PreparedStore(folder, "a model");
  again.commit();
  expect(statSync(store.file).ino).toBe(before.ino);
  again.addFloats("more", { shape: [3], data: again.append(Float32Array.of(4, 5, 6)) });
  again.commit();
  expect(files()).toEqual(FINISHED);
  const third = new PreparedStore(folder, "a model");
  expect(third.floats("v")).toEqual(store.floats("v"));
  const bytes = readFileSync(third.file);
  expect(bytes.readFloatLE(third.floats("v")!.data.offset)).toBe(1);
  expect(bytes.readFloatLE(third.floats("more")!.data.offset + 8)).toBe(6);
  expect(third.bytes).toBe(bytes.length);
});

test("more that was given up leaves what was there before", () => {
  const store = new PreparedStore(folder, "a model");
  fill(store);
  store.commit();
  const again = new PreparedStore(folder, "a model");
  again.addFloats("more", { shape: [3], data: again.append(Float32Array.of(4, 5, 6)) });
  again.abandon();
  expect(again.floats("more")).toBeUndefined();
  expect(again.floats("v")).toEqual(store.floats("v"));
  expect(files()).toEqual(FINISHED);
});

test("what was made of another source is made again", () => {
  const store = new PreparedStore(folder, "a model");
  fill(store);
  store.commit();
  const other = new PreparedStore(folder, "another");
  expect(other.floats("v")).toBeUndefined();
  expect(other.bytes).toBe(0);
  fill(other);
  other.commit();
  expect(new PreparedStore(folder, "another").floats("v")).toBeDefined();
  expect(new PreparedStore(folder, "a model").floats("v")).toBeUndefined();
});

test("before the commit, and after giving up, there is nothing to be found", () => {
  const store = new PreparedStore(folder, "a model");
  fill(store);
  expect(new PreparedStore(folder, "a model").floats("v")).toBeUndefined();
  store.abandon();
  expect(files()).toEqual([]);
  expect(store.floats("v")).toBeUndefined();
  fill(store);
  store.commit();
  expect(files()).toEqual(FINISHED);
});

test.each([
  ["another version's", (index: string) => index.replace(/"version":\d+/, '"version":0')],
  ["a malformed", (index: string) => index.slice(0, -5)],
])("%s index: the weights are made again", (_, spoil) => {
  const store = new PreparedStore(folder, "a model");
  fill(store);
  store.commit();
  const file = path.join(folder, "weights.json");
  writeFileSync(file, spoil(readFileSync(file, "utf8")));
  const again = new PreparedStore(folder, "a model");
  expect(again.floats("v")).toBeUndefined();
  fill(again);
  again.commit();
  expect(new PreparedStore(folder, "a model").floats("v")).toBeDefined();
});

test("weights that are cut short or gone are made again", () => {
  const store = new PreparedStore(folder, "a model");
  fill(store);
  store.commit();
  truncateSync(store.file, statSync(store.file).size - 1);
  expect(new PreparedStore(folder, "a model").floats("v")).toBeUndefined();
  rmSync(store.file);
  expect(new PreparedStore(folder, "a model").floats("v")).toBeUndefined();
});

const flip = (file: string) => {
  const bytes = readFileSync(file);
  bytes.writeUInt8(bytes.readUInt8(70) ^ 1, 70);
  writeFileSync(file, bytes);
};

test("weights that were changed in place are read whole: those that are damaged are made again, sound ones are used", () => {
  const store = new PreparedStore(folder, "a model");
  fill(store);
  store.commit();
  const more = new PreparedStore(folder, "a model");
  more.addFloats("w", { shape: [1], data: more.append(Float32Array.of(9)) });
  more.commit();
  utimesSync(store.file, 1000, 1000);
  expect(new PreparedStore(folder, "a model").floats("w")).toBeDefined();
  const sound = readFileSync(store.file);
  flip(store.file);
  const again = new PreparedStore(folder, "a model");
  expect([again.floats("v"), again.floats("w"), again.matrix("m"), again.bytes]).toEqual([
    undefined,
    undefined,
    undefined,
    0,
  ]);
  fill(again);
  again.addFloats("w", { shape: [1], data: again.append(Float32Array.of(9)) });
  again.commit();
  expect(readFileSync(store.file)).toEqual(sound);
  expect(new PreparedStore(folder, "a model").floats("w")).toBeDefined();
});

test("weights that are as they were last known to be sound are not read", () => {
  const store = new PreparedStore(folder, "a model");
  fill(store);
  store.commit();
  flip(store.file);
  writeFileSync(path.join(folder, "weights.state"), fileState(store.file));
  expect(new PreparedStore(folder, "a model").floats("v")).toBeDefined();
  expect(isFolderSound(folder)).toBe(false);
  discard(folder);
  expect([new PreparedStore(folder, "a model").floats("v"), isFolderSound(folder), files()]).toEqual([
    undefined,
    undefined,
    [],
  ]);
});

test("weights are taken as they are where their state cannot be noted", () => {
  const store = new PreparedStore(folder, "a model");
  fill(store);
  store.commit();
  rmSync(path.join(folder, "weights.state"));
  mkdirSync(path.join(folder, "weights.state"));
  flip(store.file);
  expect(new PreparedStore(folder, "a model").floats("v")).toBeDefined();
});

test("killed between append and commit, nothing half-written is used, and its draft goes with the next one", async () => {
  const child = writer("hang");
  await once(child.stdout!, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(files()).toEqual([`weights.${child.pid}.tmp`]);
  const store = new PreparedStore(folder, "a model");
  expect(store.floats("w0")).toBeUndefined();
  fill(store);
  store.commit();
  expect(files()).toEqual(FINISHED);
});

test("a disk that refuses what is appended is one sentence, and what was there before stays", () => {
  const store = new PreparedStore(folder, "a model");
  fill(store);
  store.commit();
  // A file-size limit simulates a full disk.
  const words = [process.execPath, script, folder, "commit"].map((word) => `'${word}'`).join(" ");
  const { status, stderr } = spawnSync("sh", ["-c", `ulimit -f 8; exec ${words}`], { encoding: "utf8" });
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /UserError: the model is not prepared yet: cannot write .*: the file would be larger than .*; set MODICUM_HOME to use/,
  );
  expect(files()).toEqual(FINISHED);
  expect(new PreparedStore(folder, "a model").floats("v")).toEqual(store.floats("v"));
});

test("two processes at once leave one sound file", async () => {
  const children = [writer("commit"), writer("commit")];
  const codes = await Promise.all(children.map(async (c) => (await once(c, "exit"))[0]));
  expect(codes).toEqual([0, 0]);
  expect(files()).toEqual(FINISHED);
  const store = new PreparedStore(folder, "a model");
  const bytes = readFileSync(store.file);
  for (let i = 0; i < 20; i++) {
    const { offset } = store.floats(`w${i}`)!.data;
    expect(bytes.readFloatLE(offset)).toBe(i);
    expect(bytes.readFloatLE(offset + 3996)).toBe(i);
  }
});

test("a folder that cannot be made is one sentence", () => {
  writeFileSync(path.join(folder, "file"), "");
  const store = new PreparedStore(path.join(folder, "file", "auto"), "a model");
  expect(() => fill(store)).toThrow(
    /^the model is not prepared yet: cannot write .*auto: a part of the path is a file, not a folder; set MODICUM_HOME to use a different folder$/,
  );
});

test("the draft of a process that still runs is left alone", () => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `weights.${process.ppid}.tmp`), "at work");
  const store = new PreparedStore(folder, "a model");
  fill(store);
  store.commit();
  expect(files()).toEqual([`weights.${process.ppid}.tmp`, ...FINISHED].toSorted());
});
