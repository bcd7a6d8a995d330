import { type DestinationStream, type Logger, pino } from "pino";
import { endAtOnce } from "../runtime/libc.ts";
import { LineWriter } from "./line-writer.ts";

/** Milliseconds for the last lines to be read, once nothing else keeps the process alive. */
const TO_BE_READ = 1_000;

/** Standard error. Nothing waits for it, and it may fail: lost lines are counted, and the log reports their number once it can. */
export const standardError = (): DestinationStream => new LineWriter(2, lostLines);

const lostLines = (lost: number): string =>
  `${JSON.stringify({ level: 40, time: new Date().toISOString(), lost, msg: "lines of this log could not be written" })}\n`;

/** Ends the process if unread log lines keep it alive: Node's own exit waits for the thread that writes them. */
export function endUnread(): void {
  setTimeout(() => endAtOnce(Number(process.exitCode ?? 0)), TO_BE_READ).unref();
}

/** Logs as JSON, one object per line; never an answer's text, and a prompt's only on request. */
export const createLog = (to: DestinationStream, level = "info"): Logger =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, to);
