import { quote } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import type { Step } from '../run/step.js';
import { BEFORE_DDL, tryDdl } from './try-ddl.js';

/** An index that can be made again exactly as it was. */
export interface PlainIndex {
  name: string;
  definition: string;
}

/**
 * Drops the table's plain indexes, those that `create index` alone brings back as they were; a rollback leaves them
 * untouched. Where somebody forbids it, all are kept, and that is told.
 */
export async function dropPlainIndexes({ session, table, context }: Step): Promise<PlainIndex[]> {
  const { rows: indexes } = await session.query<PlainIndex>(
    `select c.relname as name, pg_get_indexdef(i.indexrelid) as definition
     from pg_index as i join pg_class as c on c.oid = i.indexrelid
     where i.indrelid = ${table.oid} and i.indisvalid and i.indisready
       and has_schema_privilege(c.relnamespace, 'create')
       and not (i.indisunique or i.indisprimary or i.indisexclusion or i.indisreplident or i.indisclustered)
       and c.reltablespace = 0 and not c.relispartition
       and obj_description(c.oid, 'pg_class') is null
       and not exists (select from pg_attribute as a where a.attrelid = c.oid and a.attstattarget >= 0)
       and not exists (select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid
         and d.deptype in ('e', 'x'))
     order by c.relname`,
  );
  const [first] = indexes;
  if (first === undefined) return [];
  const drop = `drop index ${indexes.map(({ name }) => quote(table.schema, name)).join(', ')}`;
  const { rows: triggers } = await session.query(`select from pg_event_trigger where evtenabled <> 'D'`);
  // Where event triggers might forbid to make them again, one of them is made first and undone.
  const trial = triggers.length > 0 ? [drop, first.definition, BEFORE_DDL] : [];
  const refusal = await tryDdl(session, [...trial, drop].join(';\n'));
  if (refusal === undefined) return indexes;
  context.onNotice(`${table.name} is loaded with its indexes: ${refusal.message}`);
  return [];
}

/** Makes the dropped indexes again, in the database's own tablespace, where all of them were. */
export async function rebuildIndexes(session: Session, indexes: readonly PlainIndex[]): Promise<void> {
  if (indexes.length === 0) return;
  session.soon(`select set_config('default_tablespace', '', true)`);
  await session.query(indexes.map(({ definition }) => definition).join(';\n'));
}
