import { rowsOf, type TableInfo } from '../table/inspect-table.js';
import { quote, quoteTable } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import { ScaleSeedError } from '../errors.js';
import type { Step } from '../run/step.js';
import { describeHolders } from '../run/watch-locks.js';

/** An index that can be made again exactly as it was. */
export interface PlainIndex {
  name: string;
  definition: string;
}

const LOCK_NOT_AVAILABLE = '55P03';
const INSUFFICIENT_PRIVILEGE = '42501';

/**
 * Locks the table against everybody else until the transaction ends, which is what dropping an index needs.
 *
 * @throws ScaleSeedError `privilege`; `locked` after `lockTimeoutMs`; {@link nameHolders} then says who holds it.
 */
export async function lockTable({ session, fixture, table }: Step, lockTimeoutMs: number): Promise<void> {
  // To PostgreSQL 0 means no limit.
  await session.query(`select set_config('lock_timeout', $1, true)`, [
    `${Math.max(1, Math.ceil(lockTimeoutMs))}ms`,
  ]);
  const locking = session.query(`lock table ${quoteTable(table)} in access exclusive mode`);
  await locking.catch((error: unknown) => {
    throw error instanceof ScaleSeedError
      ? describeRefusal(error.with({ fixture: fixture.name }), table, lockTimeoutMs)
      : error;
  });
  await session.query('set local lock_timeout to default');
}

function describeRefusal(
  error: ScaleSeedError,
  { schema, name }: TableInfo,
  limitMs: number,
): ScaleSeedError {
  const table = `${schema}.${name}`;
  if (error.sqlState === INSUFFICIENT_PRIVILEGE) {
    return error.with({
      message: `exclusive mode: the role may not lock ${name}`,
      table,
      hint: `load with --mode online, or make the role ${name}'s owner, or grant it maintain (PostgreSQL 17) or update on it`,
    });
  }
  if (error.sqlState !== LOCK_NOT_AVAILABLE) return error;
  return error.with({
    message: `${name} could not be locked within ${limitMs} ms`,
    table,
    hint: 'end the sessions that hold it, raise --lock-timeout, or load with --mode online',
  });
}

/** The error of a table that could not be locked, with the sessions that hold it; any other error as it is. */
export async function nameHolders(session: Session, table: TableInfo, error: unknown): Promise<unknown> {
  if (!(error instanceof ScaleSeedError) || error.code !== 'locked') return error;
  const pids =
    'select pid from pg_locks where relation = $1::int8::oid and granted and pid <> pg_backend_pid()';
  const holders = await describeHolders(session, pids, [table.oid]).catch(() => '');
  return holders === '' ? error : error.with({ message: `${error.message}: held by ${holders}` });
}

/**
 * Drops the table's plain indexes where that pays: where the rows to come are at least as many as those that stand.
 * Rebuilding costs all rows, inserting only the new ones. Constraints' indexes stay, and so does every index that
 * `create index` alone would not bring back as it was. DDL is transactional: a rollback leaves them untouched. Where
 * somebody forbids it, all are kept, and that is told.
 */
export async function dropPlainIndexes(
  { session, table, context }: Step,
  rowsToCome: number,
): Promise<PlainIndex[]> {
  if (!table.privileges.owner || !table.plain) return [];
  const { rows: counts } = await session.query<{ rows: string }>(
    `select count(*) as rows from ${rowsOf(table)}`,
  );
  if (rowsToCome < Number(counts[0]?.rows)) return [];
  const { rows: indexes } = await session.query<PlainIndex>(
    `select c.relname as name, pg_get_indexdef(i.indexrelid) as definition
     from pg_index as i join pg_class as c on c.oid = i.indexrelid
     where i.indrelid = $1::int8::oid and i.indisvalid and i.indisready
       and has_schema_privilege(c.relnamespace, 'create')
       and not (i.indisunique or i.indisprimary or i.indisexclusion or i.indisreplident or i.indisclustered)
       and c.reltablespace = 0 and not c.relispartition
       and obj_description(c.oid, 'pg_class') is null
       and not exists (select from pg_attribute as a where a.attrelid = c.oid and a.attstattarget >= 0)
       and not exists (select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid
         and d.deptype in ('e', 'x'))
       and not exists (select from pg_depend as d where d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid)
     order by c.relname`,
    [table.oid],
  );
  try {
    await tryDrop(session, table, indexes);
    return indexes;
  } catch (error) {
    // Whatever ends neither the session nor the transaction.
    if (!(error instanceof ScaleSeedError) || /^(08|40|53|57)/.test(error.sqlState ?? '57')) throw error;
    await session.query('rollback to savepoint indexes');
    context.onNotice(`${table.name} is loaded with its indexes: ${error.message}`);
    return [];
  }
}

/** Drops indexes; where event triggers might forbid to make them again, one of them is made first and undone. */
async function tryDrop(session: Session, table: TableInfo, indexes: readonly PlainIndex[]): Promise<void> {
  const [first] = indexes;
  if (first === undefined) return;
  const drop = `drop index ${indexes.map(({ name }) => quote(table.schema, name)).join(', ')}`;
  const { rows: triggers } = await session.query(`select from pg_event_trigger where evtenabled <> 'D'`);
  const trial = [drop, first.definition, 'rollback to savepoint indexes'];
  await session.query('savepoint indexes');
  for (const statement of triggers.length > 0 ? [...trial, drop] : [drop]) await session.query(statement);
}

/** Makes the dropped indexes again, in the database's own tablespace, where all of them were. */
export async function rebuildIndexes(session: Session, indexes: readonly PlainIndex[]): Promise<void> {
  if (indexes.length === 0) return;
  await session.query(`select set_config('default_tablespace', '', true)`);
  for (const { definition } of indexes) await session.query(definition);
}
