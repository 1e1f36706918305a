import type { Server } from './server.js';
import type { Sessions } from './sessions.js';
import type { LockWatch } from './watch-locks.js';

/** What the fleets of a run share. */
export interface Crew {
  sessions: Sessions;
  jobs: number;
  server: Server;
  watch: LockWatch;
  /** The tables are to be settled. */
  settle: boolean;
}
