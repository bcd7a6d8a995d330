import { type ChildProcess, fork } from "node:child_process";
import { compile } from "../child.ts";
import { message } from "../embed-side.ts";
import type { Bench, Side } from "../harness.ts";
import { checkTokens, stream } from "./completion.ts";
import type { LibraryCall } from "./library.ts";
import { ownServer } from "./server.ts";
import { serverSide } from "./side.ts";
import { Texts } from "./texts.ts";

const [PROMPT, ANSWER] = [128, 256];

/** Compares one answer streamed over HTTP with the library's own call, in tokens per second. */
export const serveStream: Bench = {
  name: "serve-stream",
  unit: "tok/s",
  moreIsBetter: true,
  lifetime: "kept",
  defaultForm: true,
  sides({ path }) {
    const texts = new Texts(path);
    const server = serverSide(
      "modicum serve",
      () => ownServer(path),
      async (send) => {
        const answered = (await send([{ asks: [stream(texts, texts.next(PROMPT), ANSWER)] }])).flat();
        checkTokens(answered, PROMPT, ANSWER);
        return (ANSWER * 1000) / (answered[0]!.ended - answered[0]!.sent);
      },
    );
    return { ours: server, theirs: librarySide(path) };
  },
};

/** The library with the same texts, in a process that does nothing else. */
function librarySide(path: string): Side {
  const texts = new Texts(path);
  let child: ChildProcess | undefined;
  return {
    name: "modicum library",
    async start() {
      child = fork(await compile("serve/library.ts"), [path]);
      await message(child);
    },
    async run() {
      const options = {
        raw: true,
        maxTokens: ANSWER,
        temperature: 0,
        repetitionDetection: false,
        logitBias: texts.endless,
      };
      child!.send({ prompt: texts.next(PROMPT), options } satisfies LibraryCall);
      return (await message(child!)) as number;
    },
    async stop() {
      child?.kill();
    },
  };
}
