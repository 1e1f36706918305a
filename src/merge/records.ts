import { literal, quote, quoteTable } from '../postgres/quote.js';
import { nameOf } from '../report/table-name.js';
import type { RowsOf } from '../report/result.js';
import type { OnTable } from '../run/step.js';
import { inspectTables } from '../table/inspect-table.js';
import type { Keys } from '../table/keys.js';

/** How many rows of the tables that a fixture's `recordedIn` names are about its rows; none of one that is not there. */
export async function countRecords({ session, fixture, table }: OnTable, keys: Keys): Promise<RowsOf[]> {
  const found: RowsOf[] = [];
  const names = fixture.recordedIn.map((record) => record.table);
  const tables = await inspectTables(session, names, table.schema);
  for (const { table: name, column, path } of fixture.recordedIn) {
    const record = tables.get(name);
    if (record?.privileges.select !== true || !record.columns.some((one) => one.name === column)) continue;
    const held = keys.hold([keyIn(`t.${quote(column)}`, path)]);
    const rows = await session.count(`from ${quoteTable(record)} as t where ${held}`);
    if (rows > 0) found.push({ table: nameOf(record), rows });
  }
  return found;
}

/** The key out of a path of a request such as `/api/v1/agents/KEY/heartbeat`; another value is the key itself. */
function keyIn(column: string, path: string | undefined): string {
  if (path === undefined) return column;
  const [text, start] = [`${column}::text`, literal(path)];
  return `case when starts_with(${text}, ${start}) then split_part(substr(${text}, length(${start}) + 1), '/', 1) else ${text} end`;
}
