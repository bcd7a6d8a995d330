const two = (value: number) => String(value).padStart(2, "0");
const english = (date: Date, options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat("en-US", options).format(date);

const directives: Readonly<Record<string, (date: Date) => string>> = {
  "%": () => "%",
  Y: (date) => String(date.getFullYear()),
  y: (date) => two(date.getFullYear() % 100),
  m: (date) => two(date.getMonth() + 1),
  d: (date) => two(date.getDate()),
  e: (date) => String(date.getDate()).padStart(2, " "),
  H: (date) => two(date.getHours()),
  I: (date) => two(date.getHours() % 12 || 12),
  M: (date) => two(date.getMinutes()),
  S: (date) => two(date.getSeconds()),
  p: (date) => (date.getHours() < 12 ? "AM" : "PM"),
  A: (date) => english(date, { weekday: "long" }),
  a: (date) => english(date, { weekday: "short" }),
  B: (date) => english(date, { month: "long" }),
  b: (date) => english(date, { month: "short" }),
};

/** Formats `date` in Python's format, in local time, with English names; unknown directives stay unchanged. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(.)/g, (directive, letter: string) =>
    Object.hasOwn(directives, letter) ? directives[letter]!(date) : directive,
  );
}
