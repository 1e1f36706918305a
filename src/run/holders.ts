import type { Session } from '../postgres/session.js';

/** A session that holds what another waits for. */
export interface Holder {
  pid: number;
  /** As messages name it; what the role may not see of it is left out. */
  text: string;
}

/** The first few of the sessions whose process ids a select returns. */
export async function findHolders(session: Session, pids: string, values: unknown[]): Promise<Holder[]> {
  const { rows } = await session.query<Holder>(
    `select pid, case pid when 0 then 'a prepared transaction' else format('pid %s (%s)', pid, concat_ws(', ',
       coalesce(usename, backend_type), nullif(application_name, ''), state,
       'begun ' || to_char(coalesce(xact_start, query_start) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC')) end as text
     from (${pids}) as holder (pid) left join pg_stat_activity using (pid)
     group by 1, 2 order by 1 limit 5`,
    values,
  );
  return rows;
}

/** Holders as one part of a sentence; empty where there are none. */
export function listHolders(holders: readonly Holder[]): string {
  return holders.map(({ text }) => text).join(', ');
}
