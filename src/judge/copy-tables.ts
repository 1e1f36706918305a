import { nameAll } from '../report/units.js';
import type { TableInfo } from '../table/inspect-table.js';
import { literal, quote, quoteList, quoteTable } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';

/**
 * Makes an empty copy of a table in a scratch schema. Its foreign keys are on copies of the parent rows: one on the parent
 * would need the right to refer to it, and lock out writers. Triggers and rules are left out, as what they call may reach
 * any other table. Returns what the copy lacks.
 */
export async function copyTable(session: Session, table: TableInfo, schema: string): Promise<string[]> {
  const found = await session.first<{ logged: boolean; sent: boolean }>(
    `select relpersistence = 'p' as logged, exists (select from pg_replication_slots
       where slot_type = 'logical' and database = current_database()) as sent
     from pg_class where oid = $1::int8::oid`,
    [table.oid],
  );
  const { logged, sent } = found!;
  // No subscriber has a table of that name.
  const kind = logged && !sent ? 'table' : 'unlogged table';
  const copy = quote(schema, table.name);
  const statements = [
    // Autovacuum would come in the middle of a round.
    `create ${kind} ${copy} (like ${quoteTable(table)} including all) with (autovacuum_enabled = false)`,
    ...sequencesSql(table, copy, schema),
    ...foreignKeysSql(table, copy, schema, kind),
  ];
  await session.query(statements.join(';\n'));
  const unsent =
    logged && sent ? [`${table.name}: its write-ahead log, which logical replication would send on`] : [];
  return [...leftOutOf(table), ...unsent];
}

/** A default that counts would take its numbers from the real table's sequence. */
function sequencesSql({ oid, columns }: TableInfo, copy: string, schema: string): string[] {
  const counted = columns.filter((column) => column.default?.startsWith('nextval('));
  return counted.flatMap(({ name }, index) => {
    const sequence = quote(schema, `scale_seed_sequence_${oid}_${index}`);
    return [
      `create sequence ${sequence}`,
      `alter table ${copy} alter column ${quote(name)} set default nextval(${literal(sequence)})`,
    ];
  });
}

/**
 * The parents are those that the real table's rows refer to, the fixture's among them. They are read off these rows, as the
 * role need not be able to read every parent, and are of the copy's kind, since a logged table cannot refer to one that is not.
 */
function foreignKeysSql(table: TableInfo, copy: string, schema: string, kind: string): string[] {
  const keys = table.foreignKeys.filter(({ simple }) => simple);
  return keys.flatMap(({ columns }, index) => {
    const parents = quote(schema, `scale_seed_parents_${table.oid}_${index}`);
    const key = quoteList(columns);
    const isWhole = columns.map((column) => `${quote(column)} is not null`).join(' and ');
    return [
      `create ${kind} ${parents} as select distinct ${key} from ${quoteTable(table)} where ${isWhole}`,
      `alter table ${parents} add primary key (${key})`,
      `alter table ${copy} add foreign key (${key}) references ${parents} (${key})`,
    ];
  });
}

function leftOutOf({ name, plain, userTriggers, rules, rowSecurity, foreignKeys }: TableInfo): string[] {
  const special = foreignKeys.filter(({ simple }) => !simple).map((key) => key.name);
  const parts = [
    !plain && 'the partitions',
    userTriggers.length > 0 && nameAll('trigger', userTriggers),
    rules.length > 0 && nameAll('rule', rules),
    rowSecurity && 'row security',
    special.length > 0 && nameAll('foreign key', special),
  ];
  return parts.filter((what) => what !== false).map((what) => `${what} of ${name}`);
}
