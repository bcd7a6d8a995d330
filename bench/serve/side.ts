import { type ChildProcess, fork } from "node:child_process";
import { compile } from "../child.ts";
import { message } from "../embed-side.ts";
import type { Side } from "../harness.ts";
import type { Server } from "./server.ts";
import type { Answered, Client, Traffic } from "./traffic.ts";

/** Has clients send their requests; returns the results by client. @throws Error if a request was refused */
export type Send = (clients: readonly Client[]) => Promise<Answered[][]>;

/** One side of a comparison: a server under a load generator. `measure` makes one measurement. */
export function serverSide(
  name: string,
  launch: () => Promise<Server>,
  measure: (send: Send) => Promise<number>,
): Side {
  let [server, clients]: [Server?, ChildProcess?] = [];
  return {
    name,
    async start() {
      server = await launch();
      clients = fork(await compile("serve/clients.ts"));
      await message(clients);
    },
    async run() {
      if (!server || !clients) throw new Error(`${name} has not been started`);
      return measure(sender(server, clients));
    },
    async stop() {
      clients?.kill();
      await server?.stop();
    },
  };
}

const sender =
  ({ url }: Server, generator: ChildProcess): Send =>
  async (clients) => {
    generator.send({ url, clients } satisfies Traffic);
    const answered = (await message(generator)) as Answered[][];
    const wrong = answered.flat().find(({ status }) => status !== 200);
    if (wrong) throw new Error(`a request got ${wrong.status}: ${wrong.body.error?.message}`);
    return answered;
  };
