import type { Blocked, VerifiedFixture } from '../report/result.js';
import { formatCount } from '../report/units.js';

/** What one day of a window of thirty takes is not worth a word. */
const NOTEWORTHY = 1 / 30;

/** What drifted in a fixture, and how. */
export function driftRemarks(fixture: VerifiedFixture): string[] {
  const { name, missing, unexpected, drift, missingParents, notCompared } = fixture;
  const remarks: string[] = [];
  if (missing.rows > 0)
    remarks.push(`missing: ${formatCount(missing.rows)} rows, such as ${missing.examples.join(', ')}`);
  if (missing.blocked !== null) remarks.push(blockedRemark(missing.blocked));
  for (const { column, rows, examples } of drift) {
    const shown = examples.map(
      ({ key, expected, found }) => `${key} has ${show(found)} for ${show(expected)}`,
    );
    remarks.push(`${column} drifted in ${formatCount(rows)} rows: ${shown.join('; ')}`);
  }
  if (unexpected.rows > 0)
    remarks.push(
      `not of the fixture: ${formatCount(unexpected.rows)} rows, such as ${unexpected.examples.join(', ')}`,
    );
  if (missingParents.length > 0) remarks.push(`parent rows are missing: ${missingParents.join(', ')}`);
  remarks.push(...ageRemarks(fixture));
  if (notCompared.length > 0)
    remarks.push(`not compared, as their defaults are computed: ${notCompared.join(', ')}`);
  return remarks.map((remark) => `${name}: ${remark}`);
}

/** Which row cannot be added, and what stands in its way. */
export function blockedRemark({ key, by }: Blocked): string {
  return `${key} cannot be added: in its way is ${by}`;
}

function ageRemarks({ tooOld, expired, rows, anchors, anchorCount }: VerifiedFixture): string[] {
  const renew = '`scale-seed reset` renews them';
  const remarks: string[] = [];
  if (tooOld)
    remarks.push(
      `its times are too old${expired === null ? '' : ` (${formatCount(expired)} rows have expired)`}: ${renew}`,
    );
  else if (expired !== null && expired > rows * NOTEWORTHY)
    remarks.push(`${formatCount(expired)} rows have expired since the load: ${renew}`);
  if (anchorCount > 1) {
    const named = anchors.map(({ at }) => at).join(', ');
    const more = anchorCount > anchors.length ? ' and later' : '';
    remarks.push(`rows of ${formatCount(anchorCount)} loads: ${named}${more}`);
  }
  return remarks;
}

function show(value: string | null): string {
  return value === null ? 'NULL' : JSON.stringify(value.length > 60 ? `${value.slice(0, 59)}…` : value);
}
