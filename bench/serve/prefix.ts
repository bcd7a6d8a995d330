import type { Bench } from "../harness.ts";
import { checkTokens, stream } from "./completion.ts";
import { percentile } from "./percentile.ts";
import { ownServer } from "./server.ts";
import { serverSide } from "./side.ts";
import { Texts } from "./texts.ts";

const CLIENTS = 16;
const [SYSTEM, QUESTION, ANSWER] = [1024, 32, 16];

/**
 * Time to first token: the 95th percentile of 16 clients who arrive at once with one system prompt of 1,024 tokens,
 * which is new in each round and so runs once. The other side gives each client its own system prompt of the same
 * length, so a prefix cache finds nothing.
 */
export const servePrefix: Bench = {
  name: "serve-prefix",
  unit: "ms",
  moreIsBetter: false,
  lifetime: "kept",
  defaultForm: true,
  sides({ path }) {
    const side = (name: string, prompts: (texts: Texts) => string[]) => {
      const texts = new Texts(path);
      return serverSide(
        name,
        () => ownServer(path),
        async (send) => {
          const clients = prompts(texts).map((prompt) => ({ asks: [stream(texts, prompt, ANSWER)] }));
          const answered = (await send(clients)).flat();
          checkTokens(answered, SYSTEM + QUESTION, ANSWER);
          const waits = answered.map(({ events, sent }) => events[0]! - sent);
          return percentile(waits, 0.95);
        },
      );
    };
    return { ours: side("one system prompt", shared), theirs: side("modicum, nothing shared", unshared) };
  },
};

function shared(texts: Texts): string[] {
  const system = texts.next(SYSTEM);
  return Array.from({ length: CLIENTS }, () => texts.next(QUESTION, system));
}

const unshared = (texts: Texts): string[] =>
  Array.from({ length: CLIENTS }, () => texts.next(QUESTION, texts.next(SYSTEM)));
