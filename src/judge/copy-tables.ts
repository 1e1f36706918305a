import type { TableInfo } from '../table/inspect-table.js';
import { literal, quote, quoteList, quoteTable, type TableName } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';

type ForeignKey = TableInfo['foreignKeys'][0];

/**
 * Makes an empty copy of a table in a scratch schema, with the same columns, defaults, checks and indexes, and with its
 * foreign keys on copies of the parent rows: a key on the parent itself would need the right to refer to it, and lock
 * it against writers. Returns what the copy lacks.
 *
 * Triggers and rules are left out, since what they call may reach any other table.
 */
export async function copyTable(session: Session, table: TableInfo, schema: string): Promise<string[]> {
  const copy = { schema, name: table.name };
  const { rows } = await session.query<{ unlogged: boolean }>(
    `select relpersistence = 'u' as unlogged from pg_class where oid = $1::int8::oid`,
    [table.oid],
  );
  const kind = rows[0]?.unlogged === true ? 'unlogged table' : 'table';
  // Autovacuum would come in the middle of a round.
  await session.query(
    `create ${kind} ${quoteTable(copy)} (like ${quoteTable(table)} including all) with (autovacuum_enabled = false)`,
  );
  await replaceSequences(session, table, copy);
  const keys = table.foreignKeys.filter(({ simple }) => simple);
  for (const [index, key] of keys.entries()) {
    const parents = { schema, name: `scale_seed_parents_${table.oid}_${index}` };
    await copyForeignKey(session, table, copy, key, parents);
  }
  return leftOutOf(table);
}

/** A default that counts would take its numbers from the real table's sequence. */
async function replaceSequences(
  session: Session,
  { oid, columns }: TableInfo,
  copy: TableName,
): Promise<void> {
  const counted = columns.filter((column) => column.default?.startsWith('nextval('));
  for (const [index, { name }] of counted.entries()) {
    const sequence = quote(copy.schema, `scale_seed_sequence_${oid}_${index}`);
    await session.query(`create sequence ${sequence}`);
    await session.query(
      `alter table ${quoteTable(copy)} alter column ${quote(name)} set default nextval(${literal(sequence)})`,
    );
  }
}

/** The parent rows are those that the real table's rows refer to, the fixture's among them. */
async function copyForeignKey(
  session: Session,
  table: TableInfo,
  copy: TableName,
  { columns, parent, parentColumns }: ForeignKey,
  parents: TableName,
): Promise<void> {
  const referred = columns
    .map((column, i) => `t.${quote(column)} = p.${quote(parentColumns[i]!)}`)
    .join(' and ');
  await session.query(
    `create table ${quoteTable(parents)} as select ${quoteList(parentColumns)} from ${quoteTable(parent)} as p
     where exists (select from ${quoteTable(table)} as t where ${referred})`,
  );
  await session.query(`alter table ${quoteTable(parents)} add primary key (${quoteList(parentColumns)})`);
  await session.query(
    `alter table ${quoteTable(copy)} add foreign key (${quoteList(columns)})
     references ${quoteTable(parents)} (${quoteList(parentColumns)})`,
  );
}

function leftOutOf({ name, plain, userTriggers, rules, rowSecurity, foreignKeys }: TableInfo): string[] {
  const special = foreignKeys.filter(({ simple }) => !simple).map((key) => key.name);
  return [
    ...(plain ? [] : ['its partitions']),
    ...(userTriggers.length > 0 ? [`the triggers ${userTriggers.join(', ')}`] : []),
    ...(rules.length > 0 ? [`the rules ${rules.join(', ')}`] : []),
    ...(rowSecurity ? ['row security'] : []),
    ...(special.length > 0 ? [`the foreign keys ${special.join(', ')}`] : []),
  ].map((part) => `${name}: ${part}`);
}
