import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { load, type Model } from "../../index.ts";
import { generateOptions, type Piece, type Usage } from "../decode/answer/generate.ts";
import { Refused } from "./refused.ts";
import { Scheduler, schedulerOptions } from "./scheduler.ts";
import type { CustomJob, Work } from "./ticket.ts";

const file = fileURLToPath(new URL("../../models/fixtures/llama-tiny.gguf", import.meta.url));
let model: Model;
beforeAll(async () => {
  model = await load(file);
  return () => model.dispose();
});

const scheduler = () =>
  new Scheduler(model.language.engine, model.language.tokenizer, schedulerOptions.parse({ rows: 1, queue: 8 }));

/** A job of `runs` runs, which `events` records; calls `during` in the first run. */
function idleJob(events: string[], name: string, runs: number, during?: () => void): CustomJob {
  let done = 0;
  const work = {
    ...{ left: 1, chunks: 1 },
    advance: async (): Promise<Piece | undefined> => {
      events.push(`${name} ${++done}`);
      if (done === 1) during?.();
      return done < runs ? undefined : { text: "", tokens: [], finish: { reason: "stop", usage: {} as Usage } };
    },
    [Symbol.dispose]: () => void events.push(`${name} freed`),
  } as unknown as Work;
  return { prompt: [3], engine: model.language.engine, begin: () => work };
}

async function read(stream: AsyncIterable<Piece>): Promise<void> {
  for await (const _ of stream);
}

const request = (events: string[], name: string, maxTokens = 4) => ({
  prompt: [3, 4, 5],
  options: generateOptions.parse({ maxTokens }),
  onBegun: () => void events.push(`${name} begins`),
});

test("requests that arrive go before the next run of an idle job, which then goes on where it was", async () => {
  const events: string[] = [];
  const own = scheduler();
  const answers: Promise<void>[] = [];
  const ask = (name: string) =>
    answers.push(read(own.submit(request(events, name))).then(() => void events.push(`${name} ends`)));
  const idle = own.whenIdle(
    idleJob(events, "idle", 3, () => {
      expect([own.running, own.waiting]).toEqual([0, 0]);
      ask("a");
      ask("b");
    }),
  );
  await read(idle);
  await Promise.all(answers);
  expect(events.filter((event) => !event.endsWith("ends"))).toEqual([
    ...["idle 1", "a begins", "b begins", "idle 2", "idle 3", "idle freed"],
  ]);
  expect(events.indexOf("b ends")).toBeLessThan(events.indexOf("idle 3"));
});

test("idle jobs run one after the other, and none begins before requests that wait", async () => {
  const events: string[] = [];
  const own = scheduler();
  const answer = read(own.submit(request(events, "a")));
  const jobs = ["first", "second"].map((name) => read(own.whenIdle(idleJob(events, name, 2))));
  await Promise.all([answer, ...jobs]);
  expect(events).toEqual(["a begins", "first 1", "first 2", "first freed", "second 1", "second 2", "second freed"]);
});

test("closing ends idle jobs, which hold nothing up", async () => {
  const events: string[] = [];
  const own = scheduler();
  const job = read(own.whenIdle(idleJob(events, "idle", Number.POSITIVE_INFINITY, () => void own.close(0))));
  await expect(job).rejects.toThrow(Refused);
  expect(events).toEqual(["idle 1", "idle freed"]);
  expect(() => own.whenIdle(idleJob(events, "late", 1))).toThrow(Refused);
});

test("an error ends its job alone", async () => {
  const events: string[] = [];
  const own = scheduler();
  const failing = idleJob(events, "failing", 1, () => {
    throw new RangeError("broken");
  });
  const [broken, fine] = [read(own.whenIdle(failing)), read(own.whenIdle(idleJob(events, "fine", 1)))];
  await expect(broken).rejects.toThrow("broken");
  await fine;
  expect(events).toEqual(["failing 1", "failing freed", "fine 1", "fine freed"]);
});
