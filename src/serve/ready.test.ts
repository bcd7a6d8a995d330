import { expect, test, vi } from "vitest";
import { Model } from "../library/model.ts";
import { remoteFromText } from "./fleet/file.ts";
import { jsonOf, serveModels, startModels, TINY } from "./serve.testing.ts";

const readyOf = async ({ url }: { url: string }) => {
  const response = await fetch(`${url}/ready`);
  return [response.status, (await jsonOf(response)).error?.code];
};

test.each([
  ["tiny", "complete"],
  ["sentences", "embed"],
  ["labels", "classify"],
] as const)("%s: a server is ready once its first model has answered", async (name, call) => {
  let answer!: () => void;
  const real = Model.prototype[call] as (...args: unknown[]) => Promise<unknown>;
  const spy = vi.spyOn(Model.prototype, call).mockImplementation(async function (this: Model, ...args: unknown[]) {
    await new Promise<void>((resolve) => (answer = resolve));
    return real.apply(this, args) as never;
  });
  const server = await startModels(TINY.filter((spec) => spec.startsWith(`${name}=`)));
  await expect.poll(() => spy.mock.calls.length).toBe(1);
  expect(await readyOf(server)).toEqual([503, "starting"]);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  answer();
  await server.warm;
  expect(await readyOf(server)).toEqual([200, undefined]);
  spy.mockRestore();
  const { data } = await jsonOf(fetch(`${server.url}/v1/receipts`));
  expect(data).toEqual([]);
  await server.stop(0);
});

test("a server before others is ready while one of them answers", async () => {
  const behind = await serveModels(TINY.slice(0, 1));
  const remote = remoteFromText(`tiny=${behind.url}`);
  const health = { ...remote.health, interval: 0.05, failures: 1 };
  const front = await serveModels([], {}, [{ ...remote, health }]);
  expect(await readyOf(front)).toEqual([200, undefined]);
  await behind.stop(0);
  await expect.poll(() => readyOf(front)).toEqual([503, "no_server"]);
  await front.stop(0);
});
