import { expect, test } from "vitest";
import { commandOf } from "./lab-command.ts";

test("a run's command is shown as a shell reads it, without words about a folder, and without the queue's password", () => {
  const words = ["lab", "run", "--queue", "redis://me:secret@host", "--resume", "--task", "it's.jsonl", "--out", "a b"];
  const command = `modicum lab run --task 'it'\\''s.jsonl' --out 'a b'`;
  expect(commandOf(words)).toBe(command);
  expect(commandOf([...words, "--queue=redis://:secret@host", "--force"])).toBe(command);
});
