import type pg from 'pg';
import type { Fixture } from '../src/fixtures/fixture.js';

/** What a load path is given: a fresh, migrated database, and rows to load. */
export interface Run {
  url: string;
  /** The schema of the tables. */
  schema: string;
  /** A connection that is open already, as it would be in a pool. */
  client: pg.Client;
  fixtures: readonly Fixture[];
  /** All times of the fixtures hang on it, microseconds since 1970. */
  anchorUs: bigint;
  /** A ready CSV file with all columns of a fixture. */
  csvFile: (fixture: Fixture) => Promise<string>;
  /** A folder for files of the path's own. */
  folder: string;
}

/** Milliseconds that a path spent in each of its phases, where it knows. */
export type Phases = Readonly<Record<string, number>>;

/** What a role may do on its server, beyond what every path needs. */
export interface ServerAbilities {
  createDatabases: boolean;
  setReplicationRole: boolean;
}

/** A Node to run the command line by. */
export interface Node {
  program: string;
  /** `24.21.0`. */
  version: string;
}

/** Whose way it is; a floor leaves out part of the work, so its rows are not counted afterwards. */
export type PathKind = 'ours' | 'published' | 'rival' | 'floor';

/** One way to load the rows, or to deal with rows that stand. */
export interface LoadPath {
  name: string;
  /** What it does, in a line. */
  about: string;
  /** Why it cannot run here; undefined where it can. */
  unavailable?: (server: ServerAbilities) => string | undefined;
  /** The same path run by another Node than this one. */
  onNode?: (node: Node) => LoadPath;
  /** What comes before the clock starts, and before a checkpoint. */
  prepare?: (run: Run) => Promise<void>;
  load: (run: Run) => Promise<Phases | undefined>;
  /** The path that its times are divided by: a whole process is compared with a whole process. */
  reference?: string;
  /** A rival's where it is left out. */
  kind?: PathKind;
  /** It sends no row, so it has no rows per second and is not called the quickest. */
  sendsNothing?: true;
  /** It deletes the rows: afterwards none may stand. */
  leavesNone?: true;
  /** Slow paths are left out above this many rows unless they are named. */
  maxRows?: number;
}
