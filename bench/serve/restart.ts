import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bench } from "../harness.ts";
import { checkTokens, MODEL, stream } from "./completion.ts";
import { serverIn } from "./server.ts";
import { serverSide } from "./side.ts";
import { Texts } from "./texts.ts";

const [SYSTEM, QUESTION, ANSWER] = [4096, 32, 16];

/**
 * Time to first token of a new question behind a known system prompt of 4,096 tokens, the first request after a
 * server's restart: the prompt's chunks are on disk, or nothing is kept.
 */
export const serveRestart: Bench = {
  name: "serve-restart",
  unit: "ms",
  moreIsBetter: false,
  lifetime: "fresh",
  defaultForm: true,
  sides({ path }) {
    const texts = new Texts(path);
    const system = texts.next(SYSTEM);
    const side = (name: string, ...flags: string[]) => {
      const home = mkdtempSync(join(tmpdir(), "modicum-restart-"));
      process.once("exit", () => rmSync(home, { recursive: true }));
      return serverSide(
        name,
        () => serverIn(home, "--model", `${MODEL}=${path}`, ...flags),
        async (send) => {
          const answered = (await send([{ asks: [stream(texts, texts.next(QUESTION, system), ANSWER)] }])).flat();
          checkTokens(answered, SYSTEM + QUESTION, ANSWER);
          return answered[0]!.events[0]! - answered[0]!.sent;
        },
      );
    };
    return { ours: side("prefixes on disk", "--cache-disk", "20GB"), theirs: side("modicum, nothing kept") };
  },
};
