import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { z } from "zod";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { fromFolder, Tokenizer } from "../../weights/tokenizer/index.ts";
import { latestState } from "../checkpoint/state.ts";
import { type TrainInput, trainOptions } from "../options.ts";
import { readMetrics } from "./metrics.ts";
import { pauseSession, runSession, type Session } from "./session.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-freeze-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => path.join(folder, name);

const text = at("text.txt");
writeFileSync(text, "It is the small things, done every day, that make a house a home. ".repeat(30));
const model = {
  ...{ model_type: "llama", hidden_size: 32, num_hidden_layers: 4, num_attention_heads: 2, num_key_value_heads: 1 },
  ...{ intermediate_size: 48, max_position_embeddings: 16, rms_norm_eps: 1e-5, tie_word_embeddings: false },
};
const common = { data: text, tokens: 16, batch: 2, saveEvery: 2, evaluateEvery: 3, evaluateBatches: 2 };

const noBase = () => Promise.reject(new Error("there is no base"));
await runSession(
  { options: trainOptions.parse({ ...common, architecture: model, steps: 1 }), out: at("base"), reuse: "refuse" },
  noBase,
  {},
);
const openBase = async () => ({
  ...{ name: "base", checkpoint: openCheckpoint(at("base")), prepared: at("prepared") },
  tokenizer: new Tokenizer(fromFolder(at("base"))),
});

const lora = { rank: 2, targets: "attn_q,attn_v,ffn_down" };
const session = (out: string, changed: Partial<TrainInput>, reuse: Session["reuse"] = "refuse"): Session => ({
  ...{ options: trainOptions.parse({ ...common, model: "base", lora, steps: 6, ...changed }), out: at(out), reuse },
});
const frozenFile = z.object({
  ...{ names: z.array(z.string()), lowest: z.number(), flops: z.number() },
  tensors: z.array(
    z.object({ names: z.array(z.string()), layer: z.number(), square: z.number(), frozen: z.boolean() }),
  ),
});
const frozenIn = (out: string) => frozenFile.parse(JSON.parse(readFileSync(path.join(at(out), "frozen.json"), "utf8")));
const lossesIn = (out: string) => readMetrics(at(out)).map(({ loss, norm, validation }) => [loss, norm, validation]);
const weightsIn = (out: string) => readFileSync(path.join(at(out), "adapter_model.safetensors")).toString("hex");

test("freeze auto trains the chosen LoRA layers only, and a resumed run keeps its choice to the bit", async () => {
  const auto = { freeze: "auto" as const, freezeSteps: 2 };
  const { receipt } = await runSession(session("whole", auto), openBase, {});
  const chosen = frozenIn("whole");
  expect(chosen.tensors).toHaveLength(12);
  const trained = chosen.tensors.filter(({ frozen }) => !frozen);
  expect(trained).toHaveLength(6);
  expect(Math.min(...trained.map(({ layer }) => layer))).toBe(chosen.lowest);
  expect(chosen.names).toHaveLength(12);
  expect(chosen.tensors.every(({ square }) => square > 0)).toBe(true);

  await pauseSession(session("halves", auto), 3, openBase, {});
  expect(latestState(at("halves"))?.frozen).toEqual({ names: chosen.names, flops: chosen.flops });
  // The checkpoint contains the choice, so resuming does not choose again.
  rmSync(path.join(at("halves"), "frozen.json"));
  await runSession(session("halves", auto, "resume"), openBase, {});
  expect(lossesIn("halves")).toEqual(lossesIn("whole"));
  expect(weightsIn("halves")).toBe(weightsIn("whole"));
  expect(() => frozenIn("halves")).toThrow("ENOENT");

  // Freezing the same tensors by name gives the same run, without the cost of the choice; freezing none gives a
  // different run.
  const named = await runSession(session("named", { freeze: chosen.names }), openBase, {});
  expect(lossesIn("named")).toEqual(lossesIn("whole"));
  expect(receipt.flops.overhead).toBe(chosen.flops);
  expect(receipt.flops.spent).toBe(named.receipt.flops.spent + chosen.flops);
  const full = await runSession(session("full", {}), openBase, {});
  expect(lossesIn("full")).not.toEqual(lossesIn("whole"));
  expect(named.receipt.work?.["trainedParameters"]).toMatchObject({ dense: expect.any(Number) });
  const { dense, run } = receipt.work!["trainingBytes"]!;
  expect(run).toBeLessThan(dense);
  expect(full.receipt.work).toBeUndefined();
});

test("nothing runs backward below the lowest trained layer", async () => {
  const backward = async (freeze: string[]) =>
    (await runSession(session(`from ${freeze.join("")}`, { freeze, steps: 1 }), openBase, {})).receipt.flops.backward;
  const [all, lower, upper] = [await backward([]), await backward(["blk.0.*", "blk.1.*"]), await backward(["blk.3.*"])];
  expect(lower).toBeLessThan(0.7 * all);
  // Control: even if the highest layer is frozen, its input's gradient is needed.
  expect(upper).toBeGreaterThan(0.9 * all);
});

test("a whole model freezes tensors that are multiplied as one together", async () => {
  const options = { ...common, architecture: model, steps: 2, freeze: "auto", freezeShare: 0.6 };
  const out = at("new");
  await runSession({ options: trainOptions.parse(options), out, reuse: "refuse" }, noBase, {});
  const { tensors } = frozenIn("new");
  expect(tensors.find(({ names }) => names.includes("blk.1.attn_q.weight"))?.names).toEqual(
    ["q", "k", "v"].map((each) => `blk.1.attn_${each}.weight`),
  );
});

test.each([
  [{ freeze: "blk.9.*" }, 'freeze: no parameter is named "blk.9.*"'],
  [{ freeze: "blk.*" }, "freeze: every parameter is frozen; leave at least one to train"],
  [{ freeze: "auto", start: "somewhere" }, "start: freeze auto reads the base model's gradients; omit start or freeze"],
])("%j is refused", async (changed, message) => {
  await expect(runSession(session("refused", changed), openBase, {})).rejects.toThrow(message);
});
