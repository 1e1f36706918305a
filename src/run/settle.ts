import { messageOf, ScaleSeedError } from '../errors.js';
import { quoteTable, type TableName } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import type { RunContext } from './context.js';
import type { Crew } from './crew.js';
import type { Server } from './server.js';

const NOT_SETTLED = 'everything is done and committed, but the tables are not vacuumed and analyzed';

/**
 * Lets the server's statistics know with the commit what the transaction has changed. Otherwise they learn it up to a
 * second later, after VACUUM, and autovacuum comes for rows that are settled. PostgreSQL 14 cannot be asked for that: it
 * tells when the session ends, which a pooler's does not, or with a commit half a second after the last time it told.
 */
export async function countWithCommit(session: Session, server: Server): Promise<void> {
  if (!countsAtEnd(server)) await session.query('select pg_stat_force_next_flush()');
  else if (session.pooled)
    await session.query('select pg_sleep(0.51 - extract(epoch from clock_timestamp() - now()))');
}

function countsAtEnd({ version }: Server): boolean {
  return Number.parseInt(version) < 15;
}

/**
 * Vacuums and analyzes tables that were just changed, so that neither autovacuum nor a planner without statistics
 * disturbs the measurement that follows. What stands is committed by now: where this fails, it is a notice.
 *
 * @param names of the tables, as `schema.table`.
 */
export async function settleTables(
  { signal, onEvent, onNotice }: RunContext,
  { sessions, server, watch }: Crew,
  names: readonly string[],
): Promise<void> {
  const orTell = async <T>(name: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted && error instanceof ScaleSeedError) throw error.with({ state: NOT_SETTLED });
      onNotice(`${name} was not vacuumed: ${messageOf(error)}; the rows stand all the same`);
      return undefined;
    }
  };
  if (names.length === 0) return;
  if (countsAtEnd(server)) await sessions.close();
  const all = await orTell(names.join(', '), async () => {
    const session = await sessions.at(0);
    session.phase = 'settle';
    return { session, tables: await session.transaction(() => prepareVacuum(session, names)) };
  });
  for (const { obstacle, ...table } of all?.tables ?? []) {
    const { session } = all!;
    onEvent({ type: 'settle', table: table.name });
    const tell = (message: string): void => {
      onNotice(`${table.name}: ${message}`);
    };
    if (obstacle !== null) tell(`not vacuumed, as the role may not: ${obstacle}`);
    else
      await orTell(table.name, () =>
        watch.during(session, tell, () => session.query(`vacuum (analyze) ${quoteTable(table)}`)),
      );
  }
}

/** A table that is to be vacuumed, and what the role lacks for that. */
type Vacuumed = TableName & { obstacle: string | null };

/**
 * VACUUM runs in no transaction, so what has to hold for it is set for the rest of the session, where that is no pooler's:
 * it ends if the loader goes, and waits for a lock ten seconds at most.
 */
const SET_FOR_VACUUM = `
select set_config('client_connection_check_interval', current_setting('client_connection_check_interval'), false),
  set_config('lock_timeout', regexp_replace(current_setting('lock_timeout'), '^0$', '10s'), false)`;

/** The owner of a table or of the database may vacuum it, and from 17 on whoever may maintain it; so for each partition. */
const FIND = `
select n.nspname as schema, c.relname as name, (
  select case when v.maintain then format('grant maintain on %s to %I', p.oid::regclass, current_user)
    else format('%s belongs to %I, and before PostgreSQL 17 that is for members of this role alone', p.oid::regclass, pg_get_userbyid(p.relowner)) end
  from pg_class p
  where (p.oid = c.oid or p.oid in (select relid from pg_partition_tree(c.oid)))
    and not case when v.maintain then has_table_privilege(p.oid, 'maintain') else pg_has_role(p.relowner, 'usage') end
    and not pg_has_role(d.datdba, 'usage')
  order by p.oid limit 1) as obstacle
from unnest($1::text[]) with ordinality as wanted (name, i) join pg_namespace n on starts_with(wanted.name, n.nspname || '.')
  join pg_class c on c.relnamespace = n.oid and n.nspname || '.' || c.relname = wanted.name and c.relkind in ('r', 'p')
  join pg_database d on d.datname = current_database(),
  (select current_setting('server_version_num')::int >= 170000 as maintain) as v
order by wanted.i`;

async function prepareVacuum(session: Session, names: readonly string[]): Promise<Vacuumed[]> {
  if (!session.pooled) await session.query(SET_FOR_VACUUM);
  const { rows } = await session.query<Vacuumed>(FIND, [names]);
  return rows;
}
