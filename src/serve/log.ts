import { type DestinationStream, type Logger, pino } from "pino";
import { libc } from "../runtime/libc.ts";

/** Bytes that are written at once, and milliseconds that a line waits at most. */
const [TOGETHER, LATEST] = [4096, 100];
/** Bytes that wait for a reader; what comes beyond them is lost. */
const MOST_WAITING = 4 * 2 ** 20;
/** Milliseconds in which the last lines may be read, once nothing else keeps the process. */
const TO_BE_READ = 1_000;

/** Standard error, by lines together, which costs less. A log that nobody reads takes no more memory than that. */
export const standardError = (): DestinationStream =>
  pino.destination({ dest: 2, sync: false, minLength: TOGETHER, periodicFlush: LATEST, maxLength: MOST_WAITING });

/** Ends the process where lines that nobody reads keep it. */
export function endUnread(): void {
  setTimeout(() => endAtOnce(Number(process.exitCode ?? 0)), TO_BE_READ).unref();
}

/** Not by Node's own end, which a thread holds up that waits to write lines which nobody reads. */
export function endAtOnce(status: number): void {
  if (process.platform === "win32") process.exit(status);
  libc("void _exit(int status)")(status);
}

/** Logs as JSON, a line each; never an answer's text, and a prompt's only where that is asked for. */
export const createLog = (to: DestinationStream, level = "info"): Logger =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, to);
