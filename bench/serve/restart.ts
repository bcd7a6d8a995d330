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
 * Time to first token of a new question after a known system prompt of 4,096 tokens, in the first request after a
 * server restart: with the prompt's chunks on disk, or with nothing kept.
 */
export const serveRestart: Bench = {
  name: "serve-restart",
  unit: "ms",
  moreIsBetter: false,
  lifetime: "fresh",
  rounds: 2,
  defaultForm: true,
  sides({ path }) {
    const texts = new Texts(path);
    const system = texts.next(SYSTEM);
    const ask = () => ({ asks: [stream(texts, texts.next(QUESTION, system), ANSWER)] });
    const side = (name: string, ...flags: string[]) => {
      const home = mkdtempSync(join(tmpdir(), "modicum-restart-"));
      process.once("exit", () => rmSync(home, { recursive: true }));
      const launch = () => serverIn(home, "--model", `${MODEL}=${path}`, ...flags);
      const once = serverSide(name, launch, async (send) => {
        const answered = (await send([ask()])).flat();
        checkTokens(answered, SYSTEM + QUESTION, ANSWER);
        return answered[0]!.events[0]! - answered[0]!.sent;
      });
      let known = false;
      return {
        ...once,
        // The server before the first restart: it prepares the weights, and runs the system prompt.
        async start() {
          await once.start();
          if (known) return;
          known = true;
          await once.run();
          await once.stop();
          await once.start();
        },
      };
    };
    return { ours: side("prefixes on disk", "--cache-disk", "20GB"), theirs: side("modicum, nothing kept") };
  },
};
