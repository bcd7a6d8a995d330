import { type DestinationStream, type Logger, pino } from "pino";

/** Bytes that are written at once, and milliseconds that a line waits at most. */
const [TOGETHER, LATEST] = [4096, 100];
/** Bytes that wait for a reader; what comes beyond them is lost. */
const MOST_WAITING = 4 * 2 ** 20;

/** Standard error, by lines together, which costs less. A log that nobody reads takes no more memory than that. */
export const standardError = (): DestinationStream =>
  pino.destination({ dest: 2, sync: false, minLength: TOGETHER, periodicFlush: LATEST, maxLength: MOST_WAITING });

/** Logs as JSON, a line each; never an answer's text, and a prompt's only where that is asked for. */
export const createLog = (to: DestinationStream, level = "info"): Logger =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, to);
