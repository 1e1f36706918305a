import type { EmbeddedOptions } from '../embedded/index.js';
import type { Fixture } from '../fixtures/fixture.js';
import type { OnEvent } from '../report/events.js';

/** Where an operation works, and how long it may take; every operation takes these. */
export interface DatabaseOptions {
  /** A PostgreSQL URL; else DATABASE_URL, else PG* variables. */
  databaseUrl?: string | undefined;
  /** The embedded server in place of a database that is named; its options where it needs some. */
  embedded?: boolean | EmbeddedOptions | undefined;
  /** How long to wait for the server, the tables and the parent rows, in milliseconds; 0 by default. */
  waitMs?: number | undefined;
  /** After so many milliseconds what runs is cancelled on the server and rolled back; no limit by default. */
  timeoutMs?: number | undefined;
  /** Cancels on the server, rolls back, and rejects with code `interrupted`. */
  signal?: AbortSignal | undefined;
  onEvent?: OnEvent | undefined;
}

/** What all operations on fixtures take. */
export interface FixtureOptions extends DatabaseOptions {
  /** Build them with `chooseFixtures` or `defineFixture`; the default fleet (01 and 02) when left out. */
  fixtures?: readonly Fixture[] | undefined;
  /**
   * Schemas of the tables, each with a fleet of its own: names, or patterns as pg_dump's `-n` takes them. By default the
   * tables are looked up on the connection's search_path.
   */
  schemas?: readonly string[] | undefined;
  /** Sessions at work at once; one for each processor by default, and two at least. */
  jobs?: number | undefined;
}
