import { write } from "node:fs";

/** Lines are written once they fill this many bytes, or after this many milliseconds. */
const [TOGETHER, LATEST] = [4096, 100];
/** Maximum bytes of one write. */
const MOST_TOGETHER = 64 * 1024;
/** Maximum bytes that wait to be written; a line that would exceed them is lost. */
const MOST_WAITING = 4 * 2 ** 20;
/** Milliseconds before a write is retried, after a slow reader and after a failure. */
const [SLOW, FAILED] = [100, 1_000];

/** Writes bytes and reports how many were accepted, as `fs.write` does. */
export type Write = (
  fd: number,
  bytes: Uint8Array,
  done: (error: NodeJS.ErrnoException | null, written: number) => void,
) => void;

/**
 * Writes lines to a file descriptor. Its caller never waits and never sees an error: lines wait, up to a bound, while the reader
 * is slow or the write fails. Lines beyond the bound are lost; once a write succeeds, a line from `tellLost` reports their number.
 */
export class LineWriter {
  readonly #waiting: Uint8Array[] = [];
  #bytes = 0;
  #lost = 0;
  #writing = false;
  /** Starts a write of the waiting lines; unset while a write runs. */
  #timer: NodeJS.Timeout | undefined;
  #failing = false;

  constructor(
    private readonly fd: number,
    private readonly tellLost: (lines: number) => string,
    private readonly most = MOST_WAITING,
    private readonly put: Write = write,
  ) {}

  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#bytes + bytes.length > this.most) this.#lost++;
    else this.#add(bytes);
  }

  #add(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
    this.#next();
  }

  #next(): void {
    if (this.#writing || this.#failing || this.#bytes === 0) return;
    if (this.#bytes >= TOGETHER) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), LATEST);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#failing = false;
    this.#writing = true;
    const bytes = this.#take();
    this.put(this.fd, bytes, (error, written) => {
      this.#writing = false;
      this.#keep(bytes.subarray(error ? 0 : written));
      this.#bytes -= bytes.length;
      if (error) this.#tryAgain(error);
      else this.#goOn();
    });
  }

  #take(): Uint8Array {
    let [count, size] = [0, 0];
    while (count < this.#waiting.length && size < MOST_TOGETHER) size += this.#waiting[count++]!.length;
    return Buffer.concat(this.#waiting.splice(0, count));
  }

  #keep(rest: Uint8Array): void {
    if (rest.length > 0) this.#waiting.unshift(rest);
    this.#bytes += rest.length;
  }

  #goOn(): void {
    if (this.#lost > 0) this.#add(Buffer.from(this.tellLost(this.#lost)));
    this.#lost = 0;
    this.#next();
  }

  /** The retry for a slow reader keeps the process alive; the retry after a failure does not. */
  #tryAgain({ code }: NodeJS.ErrnoException): void {
    this.#failing = true;
    const isSlow = code === "EAGAIN" || code === "EBUSY";
    this.#timer = setTimeout(() => this.#flush(), isSlow ? SLOW : FAILED);
    if (!isSlow) this.#timer.unref();
  }
}
