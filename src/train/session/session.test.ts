import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { type TrainOptions, trainOptions } from "../options.ts";
import { optionsOf } from "./folder.ts";
import { readMetrics } from "./metrics.ts";
import type { StepReport } from "./run.ts";
import { pauseSession, runSession, type Session } from "./session.ts";
import type { LabTasks } from "./tasks.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-train-"));
afterAll(() => rmSync(folder, { recursive: true }));

const text = path.join(folder, "text.txt");
writeFileSync(text, "It is the small things, done every day, that make a house a home. ".repeat(30));

const options: TrainOptions = trainOptions.parse({
  architecture: {
    ...{ model_type: "llama", hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1 },
    ...{ intermediate_size: 48, max_position_embeddings: 16, rms_norm_eps: 1e-5 },
  },
  ...{ data: text, tokens: 16, batch: 2, accumulate: 2, steps: 6, saveEvery: 2, evaluateEvery: 3, evaluateBatches: 2 },
  ...{ optimizer: { lr: 1e-2 }, schedule: { warmup: 2 } },
});

const noBase = () => Promise.reject(new Error("there is no base"));
const session = (out: string, changed: Partial<Session> = {}): Session => ({
  ...{ options, out: path.join(folder, out), reuse: "refuse" as const },
  ...changed,
});

/** Runs a session that is interrupted after `stop` steps. */
async function stopped(call: Session, stop: number): Promise<void> {
  const controller = new AbortController();
  const onStep = ({ step }: { step: number }) => step === stop && controller.abort();
  await expect(runSession(call, noBase, { onStep }, controller.signal)).rejects.toThrow("abort");
}

test("a stopped run resumes with the same losses to the last bit, and ends with the same weights", async () => {
  const whole = await runSession(session("whole"), noBase, {});
  await stopped(session("halves"), 3);
  await runSession(session("halves", { reuse: "resume" }), noBase, {});
  const losses = (out: string) =>
    readMetrics(path.join(folder, out)).map(({ loss, norm, validation }) => [loss, norm, validation]);
  expect(losses("halves")).toEqual(losses("whole"));
  expect(losses("whole")).toHaveLength(6);
  const weights = (out: string) => readFileSync(path.join(folder, out, "model.safetensors")).toString("hex");
  expect(weights("halves")).toBe(weights("whole"));
  expect(whole.loss.last).toBeLessThan(whole.loss.first);
  for (const file of ["receipt.json", "report.html"])
    expect(existsSync(path.join(folder, "whole", file)), file).toBe(true);
});

test("a run that was killed between two checkpoints resumes from the last, without its later lines", async () => {
  await stopped(session("killed"), 4);
  const checkpoints = path.join(folder, "killed", "checkpoints");
  rmSync(path.join(checkpoints, "step-4"), { recursive: true });
  expect(readdirSync(checkpoints)).toEqual(["step-2"]);
  await runSession(session("killed", { reuse: "resume" }), noBase, {});
  const steps = (out: string) => readMetrics(path.join(folder, out)).map(({ step, loss }) => [step, loss]);
  expect(steps("killed")).toEqual(steps("whole"));
});

const lossesOf = (out: string) =>
  readMetrics(path.join(folder, out)).map(({ step, loss, norm, validation, tasks }) => [
    step,
    loss,
    norm,
    validation,
    tasks,
  ]);

/** Lab tasks that call `score` with the number of the evaluation, counted from 1. */
function tasksThat(score: (evaluation: number) => void): LabTasks {
  const tasks = [{ name: "mine", better: "higher" as const }];
  let evaluation = 0;
  return {
    find: async () => tasks,
    open: async () => ({
      tasks,
      async score({ folder }) {
        score(++evaluation);
        const { length } = readFileSync(path.join(folder, "model.safetensors"));
        return { mine: { quality: length, flops: 7 } };
      },
    }),
  };
}

test("a run that is stopped while its tasks are scored resumes with that evaluation, and ends as if not stopped", async () => {
  const scored = { ...options, tasks: ["mine"], best: "mine", evaluateEvery: 2 };
  const whole = await runSession(session("scored", { options: scored, labTasks: tasksThat(() => {}) }), noBase, {});
  const stop = new AbortController();
  const labTasks = tasksThat((evaluation) => {
    if (evaluation === 2) stop.abort();
    stop.signal.throwIfAborted();
  });
  const call = session("scored-halves", { options: { ...scored, saveEvery: 100 }, labTasks });
  await expect(runSession(call, noBase, {}, stop.signal)).rejects.toThrow("abort");
  expect(readdirSync(path.join(call.out, "checkpoints"))).toEqual(["step-4"]);
  expect(readMetrics(call.out)).toHaveLength(3);
  const again = { ...call, reuse: "resume" as const, labTasks: tasksThat(() => {}) };
  const steps: number[] = [];
  const halves = await runSession(again, noBase, { onStep: ({ step }) => steps.push(step) });
  expect(steps).toEqual([4, 5, 6]);
  expect(lossesOf("scored-halves")).toEqual(lossesOf("scored"));
  expect(halves.receipt.flops).toEqual(whole.receipt.flops);
  expect(halves.tasks).toEqual(whole.tasks);
});

test("a skipped step whose evaluation failed resumes, with a norm that is not finite", async () => {
  const wild = { clip: 0, spikes: "skip" as const, optimizer: { ...options.optimizer, lr: 1e30 } };
  const skipping = { ...options, ...wild, tasks: ["mine"], evaluateEvery: 3, steps: 3, validation: 0 };
  const call = session("skipped-halves", {
    options: skipping,
    labTasks: tasksThat(() => {
      throw new Error("no answer");
    }),
  });
  await expect(runSession(call, noBase, {})).rejects.toThrow("no answer");
  const reports: StepReport[] = [];
  const again = { ...call, reuse: "resume" as const, labTasks: tasksThat(() => {}) };
  await runSession(again, noBase, { onStep: (report) => reports.push(report) });
  expect(reports).toMatchObject([{ step: 3, norm: Number.NaN, skipped: true, tasks: { mine: expect.any(Number) } }]);
});

test("a run that is killed or stopped while its model opens resumes as if it had not been", async () => {
  const call = session("opening", { options: { ...options, tasks: ["mine"] } });
  const killed = path.join(folder, "opening-killed");
  const stop = new AbortController();
  const labTasks: LabTasks = {
    ...tasksThat(() => {}),
    async open() {
      // This is the state that a process killed here leaves behind.
      cpSync(call.out, killed, { recursive: true });
      stop.abort();
      throw stop.signal.reason;
    },
  };
  await expect(runSession({ ...call, labTasks }, noBase, {}, stop.signal)).rejects.toThrow("abort");
  for (const out of [killed, call.out]) {
    const again = { options: optionsOf(out), out, reuse: "resume" as const, labTasks: tasksThat(() => {}) };
    await runSession(again, noBase, {});
    expect(lossesOf(path.basename(out)).map(([, loss]) => loss)).toEqual(lossesOf("whole").map(([, loss]) => loss));
  }
});

test("a run that cannot begin does not change a folder that is not empty", async () => {
  const own = path.join(folder, "own-folder");
  mkdirSync(own);
  writeFileSync(path.join(own, "notes.txt"), "mine");
  const long = { ...options, tokenizer: "bytes", tokens: 32 };
  await expect(runSession({ options: long, out: own, reuse: "force" }, noBase, {})).rejects.toThrow(
    /longer than the model/,
  );
  expect(existsSync(path.join(own, "run.json"))).toBe(false);
  expect(existsSync(path.join(own, "notes.txt"))).toBe(true);
});

test("a run's folder cannot be a file, which stays as it is", async () => {
  const out = path.join(folder, "notes.txt");
  writeFileSync(out, "mine");
  await expect(runSession({ options, out, reuse: "refuse" }, noBase, {})).rejects.toThrow(
    `cannot write ${out}: a file is in the way`,
  );
  expect(readFileSync(out, "utf8")).toBe("mine");
});

test("a checkpoint is written five minutes after the last", async () => {
  let minutes = 0;
  vi.spyOn(performance, "now").mockImplementation(() => minutes * 60_000);
  const call = session("slow", { options: { ...options, saveEvery: 100 } });
  const checkpoints = path.join(call.out, "checkpoints");
  const folders: string[][] = [];
  const onStep = () => {
    folders.push(existsSync(checkpoints) ? readdirSync(checkpoints) : []);
    minutes += 2;
  };
  await runSession(call, noBase, { onStep });
  vi.restoreAllMocks();
  expect(folders).toEqual([[], [], [], ["step-3"], ["step-3"], ["step-3"]]);
});

test("a run reports where it begins", async () => {
  const begun: object[] = [];
  const onBegin = (done: object) => begun.push(done);
  const call = session("begun");
  await pauseSession(call, 3, noBase, { onBegin });
  await runSession({ ...call, reuse: "resume" }, noBase, { onBegin });
  expect(begun).toEqual([
    { step: 0, tokens: 0 },
    { step: 3, tokens: 3 * 2 * 2 * 16 },
  ]);
});

test("a folder with a run is refused; with other options it does not resume, and the error names them", async () => {
  await expect(runSession(session("whole"), noBase, {})).rejects.toThrow(/whole holds a run; --resume continues it/);
  const other = { ...options, clip: 2, schedule: { ...options.schedule, warmup: 1 } };
  await expect(runSession(session("whole", { reuse: "resume", options: other }), noBase, {})).rejects.toThrow(
    /different options: schedule.warmup: 1, was 2; clip: 2, was 1; --force continues with the new ones$/,
  );
});

test("a run resumes with other options on request, and names them; other parameters are refused", async () => {
  await runSession(session("changed", { options: { ...options, steps: 2 } }), noBase, {});
  const notices: string[] = [];
  const call = session("changed", { reuse: "resume changed", options: { ...options, steps: 4 } });
  const { steps } = await runSession(call, noBase, { onNotice: (notice) => notices.push(notice) });
  expect(steps).toBe(4);
  expect(notices).toContain(
    `${call.out}: the run was begun with different options: steps: 4, was 2; it continues with the new ones`,
  );
  const wider = { ...options, architecture: { ...options.architecture, intermediate_size: 64 } };
  await expect(runSession({ ...call, options: wider }, noBase, {})).rejects.toThrow(
    /^\S+changed: a run cannot continue with a different architecture.intermediate_size: 64, was 48$/,
  );
});

test("a run whose data have changed does not resume, and keeps its tokenizer", async () => {
  const own = path.join(folder, "own.txt");
  writeFileSync(own, readFileSync(text));
  const call = session("other-data", { options: { ...options, data: [own], steps: 2 } });
  await runSession(call, noBase, {});
  const tokenizer = () => readFileSync(path.join(call.out, "tokenizer.json"), "utf8");
  const before = tokenizer();
  writeFileSync(own, `${readFileSync(text, "utf8")}ÄÖÜ`);
  await expect(runSession({ ...call, reuse: "resume" }, noBase, {})).rejects.toThrow(/: the data differ; --force/);
  expect(tokenizer()).toBe(before);
});

test("a state from a version with fewer options resumes", async () => {
  const call = session("older", { options: { ...options, steps: 2 } });
  await runSession(call, noBase, {});
  const file = path.join(call.out, "checkpoints", "step-2", "state.json");
  const { config, ...state } = JSON.parse(readFileSync(file, "utf8"));
  const { taskLimit: _, best: __, ...older } = config;
  writeFileSync(file, JSON.stringify({ ...state, config: older }));
  await expect(runSession({ ...call, reuse: "resume" }, noBase, {})).resolves.toMatchObject({ steps: 2 });
});

test("an excessive learning rate stops with the step and the norm", async () => {
  const wild = { ...options, clip: 0, optimizer: { ...options.optimizer, lr: 1e30 } };
  await expect(runSession(session("wild", { options: wild }), noBase, {})).rejects.toThrow(
    /^step \d: the loss is \S+ and the norm of its gradient \S+, at a learning rate of /,
  );
});

test("a run that cannot begin leaves no folder behind", async () => {
  const short = path.join(folder, "short.txt");
  writeFileSync(short, "Too short.");
  const call = session("none", { options: { ...options, data: [short] } });
  await expect(runSession(call, noBase, {})).rejects.toThrow(/short\.txt: .*the text has \d+ tokens/);
  expect(existsSync(call.out)).toBe(false);
});

test("a run that starts over removes the earlier states and receipt", async () => {
  await stopped(session("anew"), 2);
  const receipt = path.join(folder, "anew", "receipt.json");
  writeFileSync(receipt, "{}");
  await stopped(session("anew", { reuse: "force", options: { ...options, saveEvery: 100 } }), 3);
  expect(readdirSync(path.join(folder, "anew", "checkpoints"))).toEqual(["step-3"]);
  expect(existsSync(receipt)).toBe(false);
});

test("dropped samples are reported", async () => {
  const file = path.join(folder, "samples.jsonl");
  const lines = ["abc", "bcd", "cde", "d".repeat(40)].map((text) => JSON.stringify({ text }));
  writeFileSync(file, lines.join("\n"));
  const notices: string[] = [];
  const some = { ...options, data: [file], tokenizer: "bytes", steps: 1, validation: 0 };
  await runSession(session("dropped", { options: some }), noBase, { onNotice: (notice) => notices.push(notice) });
  expect(notices).toContain("dropped samples: 1 longer than 16 tokens");
});

test("rows longer than the model's context are refused", async () => {
  const long = { ...options, tokens: 32 };
  const call = session("long", { options: long });
  await expect(runSession(call, noBase, {})).rejects.toThrow(
    "tokens: rows of 32 tokens are longer than the model's context, expected at most 16",
  );
  expect(existsSync(call.out)).toBe(false);
});

test("a run ends early once its held-out loss stops improving, and a resumed run at the same step", async () => {
  // At this learning rate, each step makes the model worse.
  const worse = { optimizer: { ...options.optimizer, lr: 3 }, clip: 0, schedule: { ...options.schedule, warmup: 0 } };
  const patient = { ...options, ...worse, steps: 40, evaluateEvery: 1, patience: 3 };
  const whole = await runSession(session("patient", { options: patient }), noBase, {});
  expect(whole).toMatchObject({ ended: "patience" });
  expect(whole.steps).toBeLessThan(40);
  const lines = readMetrics(path.join(folder, "patient"));
  const best = lines.findIndex(({ validation }) => validation === whole.loss.best);
  expect(lines.length).toBe(best + 1 + 3);
  expect(lines.map(({ ended }) => ended)).toEqual([...Array(lines.length - 1).fill(undefined), "patience"]);
  await stopped(session("patient-halves", { options: patient }), lines.length - 1);
  const halves = await runSession(session("patient-halves", { reuse: "resume", options: patient }), noBase, {});
  expect([halves.steps, halves.loss]).toEqual([whole.steps, whole.loss]);
  const again = await runSession(session("patient", { reuse: "resume", options: patient }), noBase, {});
  expect([again.steps, again.loss]).toEqual([whole.steps, whole.loss]);
});

test("patience without held-out data is refused", async () => {
  const none = { ...options, validation: 0, patience: 2 };
  await expect(runSession(session("impatient", { options: none }), noBase, {})).rejects.toThrow(
    "patience: no data are held out; set validation above 0",
  );
});

test("a skipped step is reported and does not change the weights", async () => {
  const wild = {
    ...options,
    steps: 4,
    clip: 0,
    spikes: "skip" as const,
    optimizer: { ...options.optimizer, lr: 1e30 },
  };
  const skipped: number[] = [];
  const onStep = (report: StepReport) => report.skipped && skipped.push(report.step);
  await runSession(session("skipped", { options: wild }), noBase, { onStep });
  expect(skipped.at(-1)).toBe(4);
  expect(skipped.length).toBeLessThan(4);
});

const weightsOf = (out: string) => readFileSync(path.join(folder, out, "model.safetensors")).toString("hex");

test("a run that pauses at a step resumes with the same losses and weights, and writes no model before its end", async () => {
  const call = session("paused");
  await pauseSession(call, 3, noBase, {});
  await pauseSession({ ...call, reuse: "resume" }, 5, noBase, {});
  expect(readMetrics(call.out)).toHaveLength(5);
  expect(existsSync(path.join(call.out, "model.safetensors"))).toBe(false);
  await runSession({ ...call, reuse: "resume" }, noBase, {});
  const losses = (out: string) => readMetrics(path.join(folder, out)).map(({ loss }) => loss);
  expect(losses("paused")).toEqual(losses("whole"));
  expect(weightsOf("paused")).toBe(weightsOf("whole"));
});

test("samples are counted as they are read, without rows that pad a batch", async () => {
  const file = path.join(folder, "eleven.jsonl");
  writeFileSync(file, Array.from({ length: 11 }, (_, i) => JSON.stringify({ text: `s${i}` })).join("\n"));
  const { steps: _, ...rest } = options;
  const some = { ...rest, data: [file], tokenizer: "bytes", validation: 0, epochs: 3 };
  const { samples, steps, receipt } = await runSession(session("eleven", { options: some }), noBase, {});
  // Three epochs of 6 batches of 2 rows, with two batches per step.
  expect([samples, steps, receipt.samples]).toEqual([33, 9, 33]);
  expect(readMetrics(path.join(folder, "eleven")).map((report) => report.samples)).toEqual([
    4, 8, 11, 15, 19, 22, 26, 30, 33,
  ]);
});

test("keepBest writes the weights of the best evaluation, also in a resumed run; a run may start from them", async () => {
  // At this learning rate, each step makes the model worse.
  const schedule = { ...options.schedule, name: "constant" as const, warmup: 0 };
  const worse = { optimizer: { ...options.optimizer, lr: 3 }, clip: 0, schedule, evaluateEvery: 1 };
  const bestOptions = { ...options, ...worse, keepBest: true };
  await runSession(session("best", { options: bestOptions }), noBase, {});
  const best = readMetrics(path.join(folder, "best")).findLast((report) => report.best)!.step;
  expect(best).toBeLessThan(5);
  await stopped(session("best-halves", { options: bestOptions }), best + 1);
  await runSession(session("best-halves", { options: bestOptions, reuse: "resume" }), noBase, {});
  expect(weightsOf("best-halves")).toBe(weightsOf("best"));
  await runSession(session("best-alone", { options: { ...bestOptions, keepBest: false, steps: best } }), noBase, {});
  expect(weightsOf("best-alone")).toBe(weightsOf("best"));
  const start = path.join(folder, "best");
  const still = { ...options, start, steps: 1, optimizer: { ...options.optimizer, lr: 1e-30, weightDecay: 0 } };
  await runSession(session("started", { options: still }), noBase, {});
  expect(weightsOf("started")).toBe(weightsOf("best"));
});

test("ema: a stopped run resumes with the same average, and a run may start from it", async () => {
  const averaged = { ...options, ema: 0.5, evaluateEvery: 1 };
  await runSession(session("average", { options: averaged }), noBase, {});
  await stopped(session("average-halves", { options: averaged }), 3);
  await runSession(session("average-halves", { options: averaged, reuse: "resume" }), noBase, {});
  expect(lossesOf("average-halves")).toEqual(lossesOf("average"));
  expect(weightsOf("average-halves")).toBe(weightsOf("average"));
  expect(weightsOf("average")).not.toBe(weightsOf("whole"));
  const start = path.join(folder, "average");
  const still = { ...options, start, steps: 1, optimizer: { ...options.optimizer, lr: 1e-30, weightDecay: 0 } };
  await runSession(session("from-average", { options: still }), noBase, {});
  expect(weightsOf("from-average")).toBe(weightsOf("average"));
});

test("starting from another model is refused, and so is keepBest without held-out data", async () => {
  const architecture = { ...options.architecture, num_hidden_layers: 1 };
  const start = path.join(folder, "whole");
  await expect(
    runSession(session("other", { options: { ...options, architecture, start } }), noBase, {}),
  ).rejects.toThrow(/^start: .*whole is a run with a different architecture.num_hidden_layers: 1, was 2/);
  const empty = path.join(folder, "empty");
  mkdirSync(empty);
  const begun = () => runSession(session("from-empty", { options: { ...options, start: empty } }), noBase, {});
  await expect(begun()).rejects.toThrow(/^start: .*empty holds neither a checkpoint of a run nor an adapter$/);
  writeFileSync(path.join(empty, "adapter_config.json"), "{}");
  await expect(begun()).rejects.toThrow(/^start: .*empty is an adapter; only a run with lora can start from it$/);
  await expect(
    runSession(session("unkept", { options: { ...options, validation: 0, keepBest: true } }), noBase, {}),
  ).rejects.toThrow("keepBest: no data are held out; set validation above 0");
});

test("a method reports how it adapts to the data, and determines the steps", async () => {
  const notices: string[] = [];
  const { steps: _, ...rest } = options;
  const fitted = { ...rest, method: "sft", accumulate: 480, validation: 0 };
  const { steps } = await runSession(session("fitted", { options: fitted }), noBase, {
    onNotice: (notice) => notices.push(notice),
  });
  expect(notices.some((notice) => notice.startsWith("sft: steps of "))).toBe(true);
  expect(steps).toBeGreaterThanOrEqual(8);
});
