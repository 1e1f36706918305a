import type { Range } from '../copy/staging.js';
import { countPresent } from '../table/marks.js';
import { onSessions } from '../run/on-sessions.js';
import { translateError } from '../postgres/translate-error.js';
import { ScaleSeedError, withState } from '../errors.js';
import type { Fixture } from '../fixtures/fixture.js';
import { loadRange, type LoadedRange, type LoadPlan } from './load-range.js';
import type { ForeignKeyCheck, LoadedFixture } from '../report/result.js';
import { formatCount } from '../report/units.js';
import { stopwatch } from '../run/stopwatch.js';
import { COMMITTED, type Step } from '../run/run.js';

/** A fixture that was loaded; its fingerprint is known where all of its rows were sent. */
export type Loaded = Omit<LoadedFixture, 'fingerprint'> & { fingerprint: string | undefined };

/** Loads one fixture, in `parts` transactions side by side; with one part it is all or nothing. */
export async function loadFixture(step: Step, plan: LoadPlan, parts: number): Promise<Loaded> {
  const { fixture, prepared, session, stands } = step;
  const table = prepared.tableOf(fixture);
  const total = stopwatch();
  const ranges = splitRows(fixture.count, parts);
  const loaded =
    ranges.length > 1
      ? await loadParts(step, ranges, plan)
      : [await loadRange(step, session, ranges[0], plan)];
  stands(COMMITTED);
  const totalMs = total();
  const inserted = sum(loaded, (range) => range.inserted);
  const sentRows = sum(loaded, (range) => range.sentRows);
  const known = sentRows === 0 ? loaded[0]?.present : undefined;
  const present = known ?? (await countPresent(session, fixture, table));
  if (present < fixture.count) step.database.onNotice(missingRows(fixture, present));
  const whole = ranges.length === 1 && sentRows === fixture.count;
  return {
    name: fixture.name,
    table: table.name,
    schema: table.schema,
    rows: fixture.count,
    inserted,
    skipped: fixture.count - inserted,
    present,
    fingerprint: whole ? loaded[0]?.fingerprint : undefined,
    copiedBytes: sum(loaded, (range) => range.sentBytes),
    merge: strategyOf(loaded),
    foreignKeys: summarizeChecks(loaded.map(({ foreignKeys }) => foreignKeys)),
    rebuiltIndexes: [...new Set(loaded.flatMap((range) => range.rebuiltIndexes))],
    transactions: ranges.length,
    timings: {
      copyMs: Math.max(...loaded.map(({ copyMs }) => copyMs)),
      mergeMs: Math.max(...loaded.map(({ mergeMs }) => mergeMs)),
      totalMs,
    },
    rowsPerSecond: Math.round(inserted / (totalMs / 1000)),
    confirmation: fixture.confirmation(present),
  };
}

/** ON CONFLICT says nothing of a row that it leaves out. */
function missingRows({ name, count }: Fixture, present: number): string {
  const rows = `${formatCount(present)} of the ${formatCount(count)} rows of ${name} are there`;
  return `${rows}: others repeat a key, find it taken, or were kept out by a trigger or rule; see \`scale-seed verify\``;
}

/** Loads ranges side by side, each on a session and in a transaction of its own. */
async function loadParts(step: Step, ranges: readonly Range[], plan: LoadPlan): Promise<LoadedRange[]> {
  const { database, session, fixture, phase } = step;
  const states = new Map<Range, string>();
  try {
    return await onSessions(database, session, ranges, ranges.length, async (own, range) => {
      try {
        const loaded = await loadRange(step, own, range, plan);
        states.set(range, 'committed');
        return loaded;
      } catch (error) {
        if (error instanceof ScaleSeedError && error.state !== undefined) states.set(range, error.state);
        throw error;
      }
    });
  } catch (error) {
    const translated = translateError(error, { phase: phase(), fixture: fixture.name });
    throw withState(translated, describeParts(states));
  }
}

/** What stands of a fixture that is loaded in parts. */
function describeParts(states: ReadonlyMap<Range, string>): string {
  if (states.size === 0) return 'nothing was changed';
  const parts = [...states].map(([{ first, last }, state]) => `rows ${first} to ${last} ${state}`);
  return `${parts.join(', ')}, the rest was not changed`;
}

function splitRows(count: number, parts: number): [Range, ...Range[]] {
  const size = Math.max(1, Math.ceil(count / parts));
  const ranges: Range[] = [];
  for (let first = 1; first <= count; first += size) {
    ranges.push({ first, last: Math.min(count, first + size - 1) });
  }
  return [ranges[0] ?? { first: 1, last: 0 }, ...ranges.slice(1)];
}

/** The strategy of the part that had to do the most. */
function strategyOf(loaded: readonly LoadedRange[]): LoadedRange['strategy'] {
  const used = loaded.map(({ strategy }) => strategy);
  return (['on conflict', 'insert', 'none'] as const).find((strategy) => used.includes(strategy)) ?? 'none';
}

/** One answer for several transactions: by set only where that holds for every one of them. */
export function summarizeChecks(checks: readonly ForeignKeyCheck[]): ForeignKeyCheck {
  const byRow = checks.filter(({ check }) => check === 'row');
  const chosen = byRow.length > 0 ? byRow : checks;
  return {
    check: chosen[0]?.check ?? 'set',
    reason: [...new Set(chosen.map(({ reason }) => reason))].join('; '),
  };
}

function sum(loaded: readonly LoadedRange[], of: (range: LoadedRange) => number): number {
  return loaded.reduce((total, range) => total + of(range), 0);
}
