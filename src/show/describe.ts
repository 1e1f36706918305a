import type { Blocked, Check, ColumnDrift, Counts, Failure, VerifiedFixture } from '../report/result.js';
import {
  formatCount,
  formatMs,
  formatRatio,
  formatRows,
  inOneLine,
  listRows,
  unlessZero,
} from '../report/units.js';

/** What one day of a window of thirty takes is not worth a word. */
const NOTEWORTHY = 1 / 30;

/** What went wrong, what stands now, and what to do about it. */
export function describeFailure(failure: Pick<Failure, 'message' | 'state' | 'hint'>): string[] {
  const { message, state, hint } = failure;
  return [message, ...(state ? [`now: ${state}`] : []), ...(hint ? [`try: ${hint}`] : [])].map(inOneLine);
}

/** An amount of a check in its unit. */
export function showAmount(amount: number, unit: Check['unit']): string {
  return {
    ms: (ms: number) => (ms < 1 ? `${unlessZero(ms, String(Math.round(ms)))} ms` : formatMs(ms)),
    ratio: formatRatio,
    percent: (percent: number) => `${percent < 0 ? '' : '+'}${unlessZero(percent, percent.toFixed(0))} %`,
    rows: formatRows,
  }[unit](amount);
}

/** What was measured, and what was allowed, in a sentence; then why the check came out as it did. */
export function describeCheck({ name, reason, measured, limit, unit }: Check): string {
  if (measured === null || (name === 'verify' && measured === 0)) return inOneLine(reason);
  const [found, allowed] = [showAmount(measured, unit), showAmount(limit, unit)];
  const sentence = {
    verify: `${found} differ from the fixtures`,
    budget: `the load took ${found} (budget ${allowed})`,
    'budget-ratio': `the load took ${found} times as long as the reference load (limit ${allowed})`,
    'max-regression': `the load is ${found} against the baseline (limit ${allowed})`,
  }[name];
  return inOneLine(`${sentence}: ${reason}`);
}

/** What drifted in a fixture, and how; what is no drift on a stack that runs is told as that. */
export function describeDrift(fixture: VerifiedFixture, live: boolean): string[] {
  const { name, missing, unexpected, drift, hanging, unread, records, missingParents, notCompared } = fixture;
  const some = ({ rows, examples }: VerifiedFixture['unexpected']): string =>
    `${formatRows(rows)}, such as ${examples.join(', ')}`;
  const remarks = [
    missing.rows > 0 && `missing: ${some(missing)}`,
    missing.blocked !== null && describeBlocked(missing.blocked),
    ...drift.map((column) => describeColumn(column, 'drifted')),
    ...fixture.live.map((column) => describeColumn(column, 'is live and differs')),
    hanging.length > 0 && `${live ? 'what hangs on it' : 'left hanging on it'}: ${listRows(hanging)}`,
    unread.length > 0 &&
      `it is not known what of ${unread.join(', ')} hangs on it: the role may not read all of it`,
    records.length > 0 && `recorded about it, which is no drift: ${listRows(records)}`,
    unexpected.rows > 0 && `not of the fixture: ${some(unexpected)}`,
    missingParents.length > 0 && `parent rows are missing: ${missingParents.join(', ')}`,
    ...describeAge(fixture),
    notCompared.length > 0 && `not compared, as their defaults are computed: ${notCompared.join(', ')}`,
  ];
  return remarks.filter((remark) => remark !== false).map((remark) => inOneLine(`${name}: ${remark}`));
}

function describeColumn({ column, rows, examples }: ColumnDrift, how: string): string {
  const shown = examples.map(
    ({ key, expected, found }) => `${key} has ${show(found)}, not ${show(expected)}`,
  );
  return `${column} ${how} in ${formatRows(rows)}: ${shown.join('; ')}`;
}

/** Which row cannot be added, and what blocks it. */
function describeBlocked({ key, by }: Blocked): string {
  return `${key} cannot be added: blocked by ${by}`;
}

/** How many rows of a fixture could not be added, if any, and what blocks the first. */
export function describeBlockedRows(fixture: Counts & { name: string }): string[] {
  const { name, blocked, firstBlocked } = fixture;
  if (firstBlocked === null) return [];
  return [inOneLine(`${name}: ${formatRows(blocked)} could not be added; ${describeBlocked(firstBlocked)}`)];
}

function describeAge({ tooOld, expired, rows, anchors, anchorCount, ageMs }: VerifiedFixture): string[] {
  const renew = '`scale-seed reset` renews them';
  const gone = expired === null ? '' : `${formatRows(expired)} expired`;
  const remarks: string[] = [];
  if (tooOld) remarks.push(`its times are too old${gone === '' ? '' : ` (${gone})`}: ${renew}`);
  else if (expired !== null && expired > rows * NOTEWORTHY) remarks.push(`${gone} since the load: ${renew}`);
  // A time without its fraction may be rounded up.
  if (ageMs !== null && ageMs < -1000)
    remarks.push(
      `its times tell an anchor ${formatMs(-ageMs)} after now, as where the server's clock was put back: ${renew}`,
    );
  if (anchorCount > 1) {
    const more = anchorCount > anchors.length ? ' and later' : '';
    remarks.push(
      `rows of ${formatCount(anchorCount)} loads: ${anchors.map(({ at }) => at).join(', ')}${more}`,
    );
  }
  return remarks;
}

function show(value: string | null): string {
  return value === null ? 'NULL' : JSON.stringify(value.length > 60 ? `${value.slice(0, 59)}…` : value);
}
