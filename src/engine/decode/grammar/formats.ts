/** Patterns for JSON Schema's string formats: every match is valid, but some valid texts do not match. */
const DAY = "(((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01]))|((0[469]|11)-(0[1-9]|[12]\\d|30))|(02-(0[1-9]|1\\d|2[0-8])))";
const DATE = `[12]\\d{3}-${DAY}`;
const TIME = "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-](0\\d|1[0-3]):[0-5]\\d)";
const BYTE = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const LABEL = "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?";
const HOST = `${LABEL}(\\.${LABEL}){0,3}\\.[a-z]{2,12}`;

const FORMATS: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  "date-time": `${DATE}T${TIME}`,
  duration: "P(\\d{1,4}D(T\\d{1,3}H)?|T\\d{1,4}[HMS]|\\d{1,4}[WMY])",
  email: `[A-Za-z0-9_]{1,20}([.+-][A-Za-z0-9_]{1,20}){0,2}@${HOST}`,
  hostname: HOST,
  uri: `https?://${HOST}(:[1-9]\\d{0,3})?(/[A-Za-z0-9_.~-]{1,40}){0,6}/?`,
  ipv4: `${BYTE}(\\.${BYTE}){3}`,
  ipv6: "([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}",
  uuid: "[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
};

/** The anchored pattern of a format; undefined for unknown formats, which JSON Schema treats as annotations. */
export const formatPattern = (format: string): string | undefined =>
  Object.hasOwn(FORMATS, format) ? `^(${FORMATS[format]})$` : undefined;
