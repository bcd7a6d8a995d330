import { afterAll, beforeAll, expect, test } from "vitest";
import { Refused } from "../../engine/schedule/refused.ts";
import { jsonOf, post, serveModels, type Testing } from "../serve.testing.ts";
import { Admission, type Place } from "./admission.ts";
import type { Backend } from "./backend.ts";
import { bigAt, briefly, startVllm, type Vllm, withoutEnd } from "./vllm.testing.ts";

const serverOf = (name: string) => ({ name, up: true, down: false, running: 0, chosen: 0 });
type Server = ReturnType<typeof serverOf>;

function admissionTo(servers: readonly Server[], rows: number, queue: number) {
  const backends = servers as unknown as Backend[];
  const admission = new Admission(backends, { rows, queue });
  const order: string[] = [];
  const places = new Map<string, Place | undefined>();
  /** Requests a place; the first letter of the name is the key. */
  const ask = async (name: string, tried: readonly Server[] = [], signal = new AbortController().signal) => {
    const seen = new Map(tried.map((server) => [server as unknown as Backend, "tried"]));
    const place = await admission.place({ key: name[0]!, tried: seen, signal });
    order.push(name);
    places.set(name, place);
    return place?.backend.name;
  };
  const leave = async (name: string) => {
    places.get(name)![Symbol.dispose]();
    await Promise.resolve();
    await Promise.resolve();
  };
  return { admission, order, ask, leave };
}

test("each server has a limited number of requests; keys take turns at free places", async () => {
  const servers = [serverOf("s"), serverOf("t")];
  const { admission, order, ask, leave } = admissionTo(servers, 1, 10);
  expect([await ask("a1"), await ask("a2")]).toEqual(["s", "t"]);
  for (const name of ["a3", "a4", "b1", "b2"]) void ask(name);
  expect([admission.waiting, servers.map(({ running }) => running)]).toEqual([4, [1, 1]]);
  for (const name of ["a1", "b1", "a2", "a3"]) await leave(name);
  expect(order).toEqual(["a1", "a2", "b1", "b2", "a3", "a4"]);
  expect([admission.waiting, servers.map(({ running }) => running)]).toEqual([0, [1, 1]]);
});

test("excess waiting requests are refused, first those of the key with the most", async () => {
  const { ask } = admissionTo([serverOf("s")], 1, 2);
  await ask("a1");
  void ask("a2");
  const last = ask("a3");
  const refused = expect(last).rejects.toThrow(/^too many requests are waiting; try again in \d+ s$/);
  void ask("b1");
  await refused;
  await expect(ask("b2")).rejects.toBeInstanceOf(Refused);
});

test("a request whose client leaves the queue is removed at once", async () => {
  const { admission, ask, order, leave } = admissionTo([serverOf("s")], 1, 1);
  await ask("a1");
  const leaving = new AbortController();
  const waiting = ask("a2", [], leaving.signal);
  leaving.abort(new Error("gone"));
  expect(admission.waiting).toBe(0);
  await expect(waiting).rejects.toThrow("gone");
  void ask("a3");
  await leave("a1");
  expect(order).toEqual(["a1", "a3"]);
});

test("a request that a server failed goes before all new ones; with no server left it is refused", async () => {
  const [s, t] = [serverOf("s"), serverOf("t")];
  const { admission, ask, order, leave } = admissionTo([s, t], 1, 10);
  await Promise.all([ask("a1"), ask("a2")]);
  void ask("a3");
  void ask("b1", [s]);
  await leave("a2");
  expect(order).toEqual(["a1", "a2", "b1"]);
  expect(await ask("c1", [s, t])).toBeUndefined();
  Object.assign(s, { up: false, down: true });
  Object.assign(t, { up: false, down: true });
  admission.admit();
  await Promise.resolve();
  await Promise.resolve();
  expect([order.at(-1), admission.waiting]).toEqual(["a3", 0]);
});

test("a server in doubt is waited for until its check", async () => {
  const s = { ...serverOf("s"), up: false };
  const { admission, ask } = admissionTo([s], 1, 1);
  const place = ask("a1");
  expect(admission.waiting).toBe(1);
  s.up = true;
  admission.admit();
  expect(await place).toBe("s");
});

let [front, vllm]: [Testing, Vllm] = [] as never;
beforeAll(async () => {
  vllm = await startVllm();
  front = await serveModels([], {}, [{ ...(await bigAt(vllm.url)), rows: 1, queue: 1 }]);
});
afterAll(async () => {
  await front.stop(0);
  vllm.stop();
});

test("over HTTP: an excess request gets 429 and a time to retry, and a client that leaves frees a place", async () => {
  vllm.pause = withoutEnd;
  const body = { model: "big", stream: true, messages: [{ role: "user", content: "Hi" }] };
  const ask = () => post(front, "/v1/chat/completions", body);
  const metric = async () =>
    (await (await fetch(`${front.url}/metrics`)).text()).match(/requests_waiting\{.*\} (\d+)/)![1];
  const running = await ask();
  const leaving = new AbortController();
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const errorName = fetch(`${front.url}/v1/chat/completions`, { ...init, signal: leaving.signal }).catch((e) => e.name);
  await expect.poll(metric).toBe("1");
  const refused = await ask();
  expect([refused.status, (await jsonOf(refused)).error.code, vllm.got.length]).toEqual([429, "full", 1]);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  leaving.abort();
  expect(await errorName).toBe("AbortError");
  await expect.poll(metric).toBe("0");
  vllm.pause = briefly;
  const next = ask();
  await running.body!.cancel();
  expect(await (await next).text()).toMatch(/Tokyo/);
  expect([vllm.got.length, vllm.left]).toEqual([2, 1]);
});
