import { FAMILIES } from '../fixtures/registry.js';
import type { Fixture } from '../fixtures/fixture.js';
import type { Session } from '../postgres/session.js';
import { markDistributed } from '../table/citus.js';
import { inspectTables, refuseMissingTable, type Privilege, type TableInfo } from '../table/inspect-table.js';
import { surveyTable, type Standing } from '../table/survey.js';
import { checkTable } from './check-table.js';
import type { RunContext } from './context.js';
import { refuseStrangers } from './guard.js';
import { createParents, missingParents, refuseMissing } from './parents.js';
import type { Server } from './server.js';
import { nameOf } from '../report/table-name.js';

/** What an operation needs of the tables before it can work on them. */
export interface Needs {
  /** What is done about parents that are missing; nothing by default. */
  parents?: 'require' | 'create' | 'foresee';
  /** Refuse a database that looks like a real fleet. */
  guard?: boolean;
  /** Further fixtures whose rows the guard is to know. */
  known?: readonly Fixture[] | undefined;
  survey?: boolean;
  /** What the role must be allowed to do with the tables. */
  privileges: readonly Privilege[];
  /** Fixtures that hang on others have their turn before those. */
  backwards?: boolean;
  /** Looks at each fixture before any is changed, and throws where it cannot be done. */
  check?: ((on: Prepared & { session: Session; known: readonly Fixture[] }) => Promise<void>) | undefined;
}

/** A fixture's table, and its rows that stand where the operation asks for them. */
export interface Prepared {
  fixture: Fixture;
  table: TableInfo;
  standing: Standing | undefined;
  /** Parent rows that were inserted and committed for the fixtures of its schema. */
  createdParents: number;
}

/** Where fixtures are to be worked on; no schema stands for the search_path. */
interface Place {
  context: RunContext;
  session: Session;
  server: Server;
  schema: string | undefined;
}

/** Holds the tables of one schema, or of the search_path, against what the fixtures need, before anything is written. */
export async function prepareSchema(
  place: Place,
  fixtures: readonly Fixture[],
  needs: Needs,
): Promise<Prepared[]> {
  const { session, server, schema } = place;
  const names = new Set([...fixtures, ...FAMILIES].map(({ table }) => table));
  const tables = await inspectTables(session, [...names], schema);
  if (server.hasCitus) await markDistributed(session, tables.values(), server);
  for (const fixture of fixtures) {
    const table = tables.get(fixture.table) ?? (await refuseMissingTable(session, fixture.table, schema));
    await checkTable(session, fixture, table, needs.privileges);
  }
  const standing = await surveyFleet(session, tables, fixtures, needs);
  const prepared = fixtures.map((fixture) => ({
    fixture,
    table: tables.get(fixture.table)!,
    standing: standing.get(fixture),
    createdParents: 0,
  }));
  if (needs.parents !== undefined) await provideParents(place, prepared, needs.parents);
  const known = [...fixtures, ...(needs.known ?? [])];
  const { reversed } = turnsOf(prepared, needs);
  for (const one of reversed ? prepared.toReversed() : prepared)
    await needs.check?.({ ...one, session, known });
  return prepared;
}

/** One after the other where rows of one refer to the table of another; an operation that deletes begins with the last. */
export function turnsOf(
  prepared: readonly Prepared[],
  { backwards = false }: Pick<Needs, 'backwards'>,
): { inTurn: boolean; reversed: boolean } {
  const tables = prepared.map(({ table }) => nameOf(table));
  const inTurn = prepared.some(({ table }) =>
    table.foreignKeys.some(
      ({ parent }) => nameOf(parent) !== nameOf(table) && tables.includes(nameOf(parent)),
    ),
  );
  return { inTurn, reversed: inTurn && backwards };
}

/** Which of the fixtures' rows stand. Both tables of a fleet are guarded, whichever is loaded, if they can be read. */
async function surveyFleet(
  session: Session,
  tables: ReadonlyMap<string, TableInfo>,
  fixtures: readonly Fixture[],
  { guard = false, known = [], survey = false }: Needs,
): Promise<Map<Fixture, Standing>> {
  const standing = new Map<Fixture, Standing>();
  const guarded = guard ? FAMILIES.map(({ table }) => table) : [];
  for (const [name, table] of tables) {
    const wanted = survey ? fixtures.filter((fixture) => fixture.table === name) : [];
    if (!table.privileges.select || (wanted.length === 0 && !guarded.includes(name))) continue;
    const found = await surveyTable(session, table, wanted, [...FAMILIES, ...fixtures, ...known]);
    if (guarded.includes(name)) refuseStrangers(table, found.strangers);
    for (const [fixture, rows] of found.standing) standing.set(fixture, rows);
  }
  return standing;
}

async function provideParents(
  { context: { onNotice }, session, schema: named }: Place,
  prepared: readonly Prepared[],
  parents: NonNullable<Needs['parents']>,
): Promise<void> {
  for (const schema of new Set(prepared.map(({ table }) => table.schema))) {
    const members = prepared.filter(({ table }) => table.schema === schema);
    const fixtures = members.map(({ fixture }) => fixture);
    const missing = await missingParents(session, fixtures, schema);
    if (parents === 'require') refuseMissing(missing, false);
    if (parents === 'require' || missing.length === 0) continue;
    const created = parents === 'create' ? await createParents(session, missing, schema) : 0;
    if (parents === 'create') refuseMissing(await missingParents(session, fixtures, schema), true);
    for (const member of members) member.createdParents = created;
    const rows = `parent rows${named === undefined ? ` in schema ${schema}` : ''}`;
    if (parents === 'create')
      void session.atCommit('select').then(() => {
        onNotice(`created ${created} ${rows}`);
      });
    else onNotice(`would create ${missing.length} ${rows}; what may keep them out is not foreseen`);
  }
}
