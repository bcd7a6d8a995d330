import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Meter } from "../src/engine/bill/meter.ts";
import { argmax } from "../src/engine/decode/sampling/softmax.ts";
import type { Model } from "../src/index.ts";
import { makeReceipt } from "../src/ledger/receipt.ts";
import { openLedger } from "../src/ledger/store.ts";
import type { Bench } from "./harness.ts";
import { OwnModel, ownSide } from "./own.ts";
import { realTokens } from "./tokens.ts";

const PROMPT = 128;
const STEPS = 64;

/** A meter that records nothing, for the same run without its bill. */
class NoMeter extends Meter {
  override layers(): void {}
  override head(): void {}
}

/** The number of requests per measurement; the fastest counts, since other work on the machine only slows them. */
const REQUESTS = 4;

const fastest = (run: (model: Model) => Promise<number>) => async (model: Model) => {
  const rates: number[] = [];
  while (rates.length < REQUESTS) rates.push(await run(model));
  return Math.max(...rates);
};

/** Tokens per second of one request; if `meterOf` bills, its receipt is made and stored. */
function request(meterOf: (model: Model) => Meter, keep?: (model: Model, meter: Meter) => Promise<void>) {
  return async (model: Model) => {
    const { engine } = model.language;
    const prompt = realTokens(PROMPT);
    const slot = engine.acquire(prompt);
    slot.truncate(0);
    const meter = meterOf(model);
    const started = performance.now();
    let token = argmax(await engine.prefill(slot, prompt, meter));
    for (let i = 0; i < STEPS; i++) token = argmax(await engine.step(slot, token, meter));
    await keep?.(model, meter);
    engine.release(slot);
    return ((PROMPT + STEPS) / (performance.now() - started)) * 1000;
  };
}

async function keep(model: Model, meter: Meter): Promise<void> {
  const { flops, bytes } = meter.total();
  const tokens = { prompt: PROMPT, cached: 0, completion: STEPS };
  const ms = { queue: 0, load: 0, encode: 0, prefill: 0, decode: 0 };
  const receipt = makeReceipt({ model: model.name, recipe: [], tokens, flops, bytes, ms, estimated: false });
  await (await ledger()).add(receipt);
}

/** Opened by the first request and kept open, as in a process that answers many. */
const ledger = () => (opened ??= openLedger(join(mkdtempSync(join(tmpdir(), "modicum-bench-")), "receipts.db")));
let opened: ReturnType<typeof openLedger> | undefined;

/** Compares requests whose receipts are priced and written to the ledger with requests without receipts. */
export const receipts: Bench = {
  name: "receipts",
  unit: "tok/s",
  moreIsBetter: true,
  lifetime: "kept",
  sides({ model: name }) {
    // Both sides share one model, so that only the receipt differs.
    const model = new OwnModel(name);
    const on = request((m) => new Meter(m.language.engine.programs), keep);
    const off = request((m) => new NoMeter(m.language.engine.programs));
    return { ours: ownSide("receipts on", model, fastest(on)), theirs: ownSide("receipts off", model, fastest(off)) };
  },
};
