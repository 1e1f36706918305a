/** Where bad input is tried. */
export interface Place {
  /** URL of the database, as its owner. */
  url: string;
  /** The same, as a role that owns nothing. */
  roleUrl: string;
  /** URLs of databases of other kinds. */
  latin1Url: string;
  asciiUrl: string;
  icuUrl: string;
  standbyUrl: string;
  /** Folder of the fixture modules and password files. */
  folder: string;
}

/** Something that a user may give to scale-seed, and what must come of it. */
export interface BadInput {
  what: string;
  typed: (place: Place) => string[];
  env?: Record<string, string>;
  /** Statements before and after it; ROLE stands for the role that owns nothing. */
  before?: string;
  after?: string;
  exit: number;
  /** What is printed on standard error. */
  printed: RegExp;
  /** Rows that stand afterwards and did not before, in all tables. */
  added?: number;
}

/** A command line as one would type it. */
export function asTyped(args: readonly string[]): string {
  return ['scale-seed', ...args]
    .map((arg) => (/^[\w./:@-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}
