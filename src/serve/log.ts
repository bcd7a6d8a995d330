import { type DestinationStream, type Logger, pino } from "pino";
import { endAtOnce } from "../runtime/libc.ts";
import { LineWriter } from "./line-writer.ts";

/** Maximum milliseconds to wait for the last lines to be read, once nothing else keeps the process alive. */
const TO_BE_READ = 1_000;

/** Writes to standard error without waiting. Lines that cannot be written are counted, and reported later. */
export const standardError = (): DestinationStream => new LineWriter(2, lostLines);

const lostLines = (lost: number): string =>
  `${JSON.stringify({ level: 40, time: new Date().toISOString(), lost, msg: "lines of this log could not be written" })}\n`;

/** Ends the process if unread log lines keep it alive: Node's own exit waits for the thread that writes them. */
export function endUnread(): void {
  setTimeout(() => endAtOnce(Number(process.exitCode ?? 0)), TO_BE_READ).unref();
}

/** Logs one JSON object per line, without answers' texts, and with prompts only if requested. */
export const createLog = (to: DestinationStream, level = "info"): Logger =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, to);
