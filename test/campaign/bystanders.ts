import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { COUNT_FLEET, type Fleet } from './checks.js';
import type { Place } from './place.js';

/** Others who use the database while a trial goes on. */
export interface Bystanders {
  /** Lets them end, and returns what they saw that must not be. */
  stop: () => Promise<{ complaints: string[]; longestWaitMs: number; statements: number }>;
}

const PAUSE_MS = 15;

/**
 * A reader who counts the fleet in one snapshot after another, and a writer who adds rows of its own and sends
 * heartbeats. Both go on whatever happens to the server; rows that the writer was told are committed must stand.
 */
export function startBystanders(
  place: Place,
  database: string,
  mayBeSeen: (fleet: Fleet) => string[],
): Bystanders {
  let atWork = true;
  const goesOn = (): boolean => atWork;
  let longestWaitMs = 0;
  let statements = 0;
  const complaints = new Set<string>();
  const committed: string[] = [];

  /** Repeats a piece of work on a connection, and on a new one where that was lost. */
  async function goOn(work: (client: pg.Client) => Promise<void>): Promise<void> {
    while (goesOn()) {
      const client = await place.client(database).catch(() => undefined);
      try {
        while (goesOn() && client !== undefined) {
          const startMs = performance.now();
          await work(client);
          longestWaitMs = Math.max(longestWaitMs, performance.now() - startMs);
          statements += 1;
          await delay(PAUSE_MS);
        }
      } catch {
        await delay(PAUSE_MS);
      } finally {
        await client?.end().catch(() => undefined);
      }
    }
  }

  const reader = goOn(async (client) => {
    const { rows } = await client.query<Fleet>(COUNT_FLEET);
    for (const complaint of mayBeSeen(rows[0]!)) complaints.add(`a reader saw ${complaint}`);
  });
  let next = 0;
  const writer = goOn(async (client) => {
    const id = `own-writer-${(next += 1)}`;
    await client.query(
      `insert into managed_certificates (id, name, common_name, owner_id, team_id, issuer_id, renewal_policy_id)
       values ($1, $1, $1, 'o-carol', 't-payments', 'iss-local', 'rp-standard')`,
      [id],
    );
    committed.push(id);
    await client.query(`update agents set last_heartbeat_at = now() where id = $1`, [
      `own-${(next % 100) + 1}`,
    ]);
  });

  return {
    async stop() {
      atWork = false;
      await Promise.all([reader, writer]);
      const lost = await place.query<{ id: string }>(
        database,
        `select id from unnest($1::text[]) as id where not exists (select from managed_certificates as m where m.id = id.id)
         union all
         select 'own-' || g from generate_series(1, 100) as g where not exists (select from agents as a where a.id = 'own-' || g)`,
        [committed],
      );
      if (lost.length > 0) complaints.add(`rows of others were lost: ${lost.map(({ id }) => id).join(', ')}`);
      return { complaints: [...complaints], longestWaitMs, statements };
    },
  };
}
