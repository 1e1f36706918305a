import { hasState, type ScaleSeedError } from '../errors.js';
import { literal, quote, quoteTable } from '../postgres/quote.js';
import type { TableName } from '../report/table-name.js';
import type { Session } from '../postgres/session.js';
import { stepError, type Step } from '../run/step.js';
import type { TableInfo } from '../table/inspect-table.js';
import { chooseForeignKeyCheck, refersBy } from './foreign-keys.js';

/** A foreign key that can be made again exactly as it was. */
export interface PlainForeignKey {
  name: string;
  definition: string;
  comment: string | null;
  parent: TableName;
  /** All that the catalogue says of it, but for its oid and those of its triggers. */
  catalogue: string;
  /** Why it may not be dropped, or cannot be made again as it was. */
  obstacle: string | null;
}

const FOREIGN_KEYS = `
select k.conname as name, pg_get_constraintdef(k.oid) as definition, obj_description(k.oid, 'pg_constraint') as comment,
  json_build_object('schema', n.nspname, 'name', p.relname) as parent,
  concat_ws(' ', (to_jsonb(k) - 'oid')::text, obj_description(k.oid, 'pg_constraint'),
    (select jsonb_agg(to_jsonb(t) - '{oid,tgname,tgconstraint}'::text[] order by t.tgrelid, t.tgtype, t.tgfoid)
      from pg_trigger t where t.tgconstraint = k.oid),
    (select jsonb_agg(to_jsonb(d) - 'objid' order by d.refclassid, d.refobjid, d.refobjsubid)
      from pg_depend d where d.classid = 'pg_constraint'::regclass and d.objid = k.oid)) as catalogue,
  case
    when exists (select from pg_event_trigger where evtenabled <> 'D') then 'the database has event triggers'
    when not k.convalidated then format('%I is not validated', k.conname)
    -- As one of a partition does that was detached.
    when not k.connoinherit then format('%I stems from a partitioned table', k.conname)
    when p.relkind <> 'r' then format('%I is partitioned', p.relname)
    when not has_table_privilege(p.oid, 'update, delete, truncate') then format('the role may not lock %I', p.relname)
    when not has_table_privilege(p.oid, 'select') or not has_table_privilege(p.oid, 'references')
      then format('the role may not refer to %I', p.relname)
    when exists (select from pg_trigger t where t.tgconstraint = k.oid and t.tgenabled <> 'O')
      then format('triggers of %I are switched', k.conname)
    -- Made again, the key may come to hang on another of them.
    when (select count(*) > 1 from pg_index i where i.indrelid = p.oid and i.indisunique and i.indisvalid
        and i.indimmediate and i.indpred is null and i.indexprs is null
        and (select array_agg(u.attnum order by u.attnum) from unnest(i.indkey::int2[]) with ordinality u (attnum, n)
          where u.n <= i.indnkeyatts) = (select array_agg(u order by u) from unnest(k.confkey) u))
      then format('%I has several unique indexes over the same columns', p.relname)
    when exists (select from pg_depend d where d.refclassid = 'pg_constraint'::regclass and d.refobjid = k.oid
        and d.classid <> 'pg_trigger'::regclass)
      or exists (select from pg_depend d where d.classid = 'pg_constraint'::regclass and d.objid = k.oid
        and d.deptype in ('e', 'x')) then format('more hangs on %I than its triggers', k.conname)
  end as obstacle
from pg_constraint k join pg_class p on p.oid = k.confrelid join pg_namespace n on n.oid = p.relnamespace
where k.conrelid = $1::int8::oid and k.contype = 'f' and k.conname = any ($2)
  and (select c.reltuples from pg_class c where c.oid = k.conrelid) <= $3
order by k.oid`;

/**
 * Finds the foreign keys that an owner may drop and make again, where the right to silence their triggers is all that it
 * lacks to have them checked by set: PostgreSQL then checks each by one query over the whole table, so none where that is known
 * to hold more than `rowsToCome`. Keys that no row of the fixture refers by stay.
 */
export async function findDroppable(
  { fixture, session, server, table }: Step,
  rowsToCome = Infinity,
): Promise<{ keys: PlainForeignKey[]; obstacle?: string | undefined }> {
  const none = (obstacle?: string) => ({ keys: [], obstacle });
  if (server.mayReplicate || chooseForeignKeyCheck({ fixture, table, server }).check === 'set') return none();
  if (!table.privileges.owner) return none(`the role does not own ${table.name}`);
  const allowed = { fixture, table, server: { ...server, mayReplicate: true } };
  const { check, reason } = chooseForeignKeyCheck(allowed);
  if (check === 'row') return none(reason);
  const names = table.foreignKeys.filter((key) => refersBy(fixture, table, key)).map(({ name }) => name);
  const rows = await readForeignKeys(session, table, names, rowsToCome);
  if (rows.length < names.length) return none(holdsMore(table));
  const obstacle = rows.find((key) => key.obstacle !== null)?.obstacle;
  return typeof obstacle === 'string' ? none(obstacle) : { keys: rows };
}

/** Why PostgreSQL's query over the whole table would cost more than it saves. */
export function holdsMore({ name }: TableInfo): string {
  return `${name} holds more rows than are added`;
}

/** Drops foreign keys whose parents are among those `locked`, and returns them. A rollback leaves them untouched. */
export async function dropForeignKeys(step: Step, locked: readonly TableName[]): Promise<PlainForeignKey[]> {
  if (locked.length === 0) return [];
  const { session, table } = step;
  const { keys } = await findDroppable(step);
  const parents = locked.map(quoteTable);
  if (!keys.every(({ parent }) => parents.includes(quoteTable(parent)))) return [];
  const drops = keys.map(({ name }) => `drop constraint ${quote(name)}`);
  if (keys.length > 0) await session.query(`alter table ${quoteTable(table)} ${drops.join(', ')}`);
  return keys;
}

/** Makes dropped foreign keys again, which has PostgreSQL check them; refuses where one would not be as it was. */
export async function addForeignKeys(step: Step, keys: readonly PlainForeignKey[]): Promise<void> {
  if (keys.length === 0) return;
  const { session, table } = step;
  const adds = keys.map(({ name, definition }) => `add constraint ${quote(name)} ${definition}`);
  const comments = keys.flatMap(({ name, comment }) =>
    comment === null
      ? []
      : [`comment on constraint ${quote(name)} on ${quoteTable(table)} is ${literal(comment)}`],
  );
  const failed = (message: string, code: 'parents' | 'server'): ScaleSeedError =>
    stepError(step, message, { code, hint: 'load with --mode online, which leaves the foreign keys alone' });
  try {
    await session.query([`alter table ${quoteTable(table)} ${adds.join(', ')}`, ...comments].join(';\n'));
  } catch (error) {
    if (!hasState(error, /^23503/)) throw error;
    throw failed(`a row that stood before has no parent: ${error.message}`, 'parents');
  }
  const names = keys.map(({ name }) => name);
  const made = await readForeignKeys(session, table, names);
  const changed = keys.find((key) => made.find(({ name }) => name === key.name)?.catalogue !== key.catalogue);
  if (changed !== undefined)
    throw failed(`foreign key ${changed.name} cannot be made again as it was`, 'server');
}

async function readForeignKeys(
  session: Session,
  { oid }: TableInfo,
  names: readonly string[],
  rowsToCome = Infinity,
): Promise<PlainForeignKey[]> {
  if (names.length === 0) return [];
  return (await session.query<PlainForeignKey>(FOREIGN_KEYS, [oid, names, rowsToCome])).rows;
}
