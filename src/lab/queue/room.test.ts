import { expect, test } from "vitest";
import { onceThereIsRoom } from "./room.ts";

const full = () => new Error("OOM command not allowed when used memory > 'maxmemory'. script: 1a2b");

test("a full Redis is waited for, with one notice", async () => {
  const messages: string[] = [];
  let attempts = 0;
  const attempt = async () => {
    if (++attempts < 4) throw full();
    return "done";
  };
  expect(await onceThereIsRoom(attempt, (sentence) => messages.push(sentence), undefined, 1)).toBe("done");
  expect([attempts, messages]).toEqual([4, [expect.stringMatching(/^Redis has no memory left .*waiting/)]]);
});

test("other errors are reported, and a signal ends the waiting", async () => {
  const broken = async () => {
    throw new Error("WRONGPASS");
  };
  await expect(onceThereIsRoom(broken, () => {})).rejects.toThrow("WRONGPASS");
  const stop = new AbortController();
  const attempt = async () => {
    stop.abort();
    throw full();
  };
  await expect(onceThereIsRoom(attempt, () => {}, stop.signal, 1)).rejects.toThrow(/abort/);
});
