import type {
  CleanedFixture,
  LoadedFixture,
  Report,
  ResetFixture,
  VerifiedFixture,
} from '../../src/report/result.js';
import { PARENT_TABLES, told, touches, type Account, type On, type Own, type Violation } from './account.js';
import { effectOf, FIXTURES } from './fleet.js';
import { apply } from './history.js';
import { judgeClean, judgeLoad, judgeReset } from './judge-changes.js';
import { judgeError } from './judge-error.js';
import { judgeForecast, judgeVerify } from './judge-looks.js';

/** Holds what a command said against what its transactions did. */
export function judge(account: Account): Violation[] {
  const { outcome, history, other } = account;
  const states = [account.before];
  for (const transaction of history) states.push(apply(states.at(-1)!, transaction));
  const own = history.flatMap((transaction, index): Own[] => {
    if (other.xids.includes(transaction.xid)) return [];
    const [before, after] = [states[index]!, states[index + 1]!];
    return [{ transaction, before, after, effects: effectOf(before, after, transaction) }];
  });
  const on = { ...account, states, own };
  return [
    ...touchNoOthers(on),
    ...countParents(on),
    ...('report' in outcome ? judgeReport(on, outcome.report) : judgeError(on, outcome.error)),
  ];
}

function judgeReport(on: On, report: Report): Violation[] {
  return FIXTURES.flatMap((fixture) => {
    const result = report.fixtures.find(({ name }) => name === fixture.name);
    if (result === undefined) return [{ kind: 'told', what: `nothing is said of ${fixture.name}` }];
    const mine = on.own.filter(({ effects }) => touches(effects, fixture));
    if (mine.length > 1)
      return [
        { kind: 'partial', what: `${fixture.name}: ${mine.length} transactions have changed its rows` },
      ];
    if ('dryRun' in report && report.dryRun) return judgeForecast(on, fixture, result as ResetFixture);
    switch (report.command) {
      case 'load':
        return judgeLoad(on, fixture, result as LoadedFixture, mine[0]);
      case 'ci': {
        const verified = report.verified.fixtures.find(({ name }) => name === fixture.name)!;
        return [
          ...judgeLoad(on, fixture, result as LoadedFixture, mine[0]),
          ...judgeVerify({ ...on, times: on.verified }, fixture, verified, true),
        ];
      }
      case 'verify':
        return judgeVerify(on, fixture, result as VerifiedFixture, report.live);
      case 'reset':
        return judgeReset(on, fixture, result as ResetFixture, mine[0]);
      case 'clean':
        return judgeClean(on, fixture, result as CleanedFixture, mine[0]);
    }
  });
}

/** A command changes rows of its fixtures, what hangs on those, and the parents that it is to create. */
function touchNoOthers({ variant, own }: On): Violation[] {
  const parents = variant.options.createParents === true ? PARENT_TABLES : [];
  return own.flatMap(({ effects }) =>
    [...effects].flatMap(([table, { inserted, updated, deleted }]) => {
      const fixture = FIXTURES.find((one) => one.table === table);
      const isStrange = (key: string): boolean => !(fixture?.keys.has(key) ?? !key.endsWith('-real'));
      const strange = [
        ...[...updated, ...deleted].filter((key) => isStrange(key) || PARENT_TABLES.includes(table)),
        ...inserted.filter(
          (key) => !(fixture === undefined ? parents.includes(table) : fixture.keys.has(key)),
        ),
      ];
      return strange.map((key): Violation => ({ kind: 'others', what: `${table} ${key} was changed` }));
    }),
  );
}

/** What is told of parents that were created. */
function countParents({ own, notices, variant }: On): Violation[] {
  if (variant.options.dryRun === true) return [];
  const created = own.flatMap(({ effects }) =>
    [...effects].flatMap(([table, { inserted }]) =>
      FIXTURES.some((one) => one.table === table) ? [] : inserted,
    ),
  );
  const said = notices.flatMap((notice) => /created (\d+) parent rows/.exec(notice)?.[1] ?? []);
  return told('parent rows created', Number(said[0] ?? 0), created.length);
}
