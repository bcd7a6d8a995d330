/** Sends due mail once, and dies at a step. Arguments: the store's file, the mail server, the time, the step. */
import { Socket } from "node:net";
import { openStore } from "../store.ts";
import { Mailing } from "./mail.ts";

/** The step of sending at which the process dies. `held`: the server kills the process after receiving the text. */
export type KilledAt = "accepted" | "marked" | "half" | "held" | "taken";

/** Ends this process abruptly, as `kill -9` does. */
function die(): void {
  process.kill(process.pid, "SIGKILL");
}

/** Sends the server only half of the next write, which is the email's text, and then dies. */
function dieInText(): void {
  const { write } = Socket.prototype;
  Socket.prototype.write = function (text: Uint8Array | string) {
    write.call(this, text.slice(0, text.length / 2));
    die();
    return false;
  };
}

async function round(file: string, smtp: string, now: number, step: KilledAt): Promise<void> {
  const store = await openStore(file);
  const { outbox } = store;
  const mark = outbox.mark.bind(outbox);
  outbox.mark = async (message) => {
    if (step === "accepted") die();
    const isOurs = await mark(message);
    if (step === "marked") die();
    if (step === "half") dieInText();
    return isOurs;
  };
  if (step === "taken") outbox.settle = async () => die();
  await new Mailing(store, { smtp, from: "papers@example.org", url: "https://papers.example.org" }).round(now);
}

const [file, smtp, now, step] = process.argv.slice(2) as [string, string, string, KilledAt];
await round(file, smtp, Number(now), step);
