import type { Bench } from "../harness.ts";
import { checkTokens, completion } from "./completion.ts";
import { ownServer } from "./server.ts";
import { serverSide } from "./side.ts";
import { Texts } from "./texts.ts";

const CLIENTS = 8;
/** The system prompt ends in the middle of a chunk, as most do. */
const [SYSTEM, QUESTION, ANSWER] = [640, 32, 32];

/** Times 8 clients with one cached system prompt until the last is answered, with and without `deterministic`. */
export const serveDeterministic: Bench = {
  name: "serve-deterministic",
  unit: "ms",
  moreIsBetter: false,
  lifetime: "kept",
  defaultForm: true,
  sides({ path }) {
    const side = (name: string, fields: object) => {
      const texts = new Texts(path);
      const system = texts.next(SYSTEM);
      const client = () => ({ asks: [completion(texts, texts.next(QUESTION, system), ANSWER, fields)] });
      return serverSide(
        name,
        () => ownServer(path),
        async (send) => {
          const answered = (await send(Array.from({ length: CLIENTS }, client))).flat();
          checkTokens(answered, SYSTEM + QUESTION, ANSWER);
          return Math.max(...answered.map(({ ended }) => ended));
        },
      );
    };
    return { ours: side("deterministic", { deterministic: true }), theirs: side("modicum, by default", {}) };
  },
};
