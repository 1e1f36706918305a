import { ACTIONS, type Action } from './actions.js';
import type { Variant } from './variants.js';

const ENDINGS = ['committed at once', 'committed later', 'rolled back later', 'held'] as const;
export type Ending = (typeof ENDINGS)[number];

const ISOLATIONS = ['read committed', 'repeatable read', 'serializable'] as const;
export type Isolation = (typeof ISOLATIONS)[number];

/** A statement of a command before which another session acts. */
export interface Moment {
  name: string;
  variant: Variant;
  /** The statement's number in the order in which the command sends them, from 0. */
  index: number;
  action: Action;
  ending: Ending;
  isolation: Isolation;
}

/** A statement that looks at nothing and changes nothing: to act before it is to act before the next. */
const IDLE = /^(savepoint|rollback|set|select set_config|select pg_stat_force|begin)\b/;

const LABEL_LENGTH = 56;

/**
 * The numbers of the statements before which others may act. Of one that comes after the same other statement again and
 * again, the first and the last.
 */
function choosePlaces(statements: readonly string[]): { index: number; label: string }[] {
  const places = statements
    .map((sql, index) => ({ index, label: labelOf(sql) }))
    .filter(({ label }) => label !== '');
  const pairs = places.map(({ label }, at) => `${places[at - 1]?.label ?? ''}; ${label}`);
  return places.filter((_, at) => pairs.indexOf(pairs[at]!) === at || pairs.lastIndexOf(pairs[at]!) === at);
}

/** The beginning of a message, after the idle statements that it begins with; empty where there are no others. */
function labelOf(sql: string): string {
  const statements = sql.split(';\n');
  const first = statements.findIndex((statement) => !IDLE.test(statement.trim()));
  if (first === -1 || /^begin\b/.test(sql)) return '';
  const text = statements
    .slice(first)
    .join('; ')
    .replace(/scale_seed_ci_[0-9a-f]+/g, 'scale_seed_ci')
    .replaceAll('"', '')
    .replace(/\s+/g, ' ');
  return text.trim().slice(0, LABEL_LENGTH).trim();
}

/**
 * The moments of a command: every action before every statement. Of the endings and isolation levels each takes its
 * turn, and with `everyWay` all of them come for each.
 */
export function momentsOf(variant: Variant, statements: readonly string[], everyWay = false): Moment[] {
  const actions = ACTIONS.filter(({ commands }) => commands?.includes(variant.command) ?? true);
  return choosePlaces(statements).flatMap(({ index, label }, row) =>
    actions.flatMap((action, column) => {
      const ways = waysOf(action);
      const chosen = everyWay ? ways : [ways[(row * 7 + column * 5 + variant.name.length) % ways.length]!];
      return chosen.map(({ ending, isolation }) => ({
        name: `${variant.name} / ${String(index).padStart(2, '0')} ${label} / ${action.name} / ${ending} / ${isolation}`,
        variant,
        index,
        action,
        ending,
        isolation,
      }));
    }),
  );
}

function waysOf({ alone, holds }: Action): { ending: Ending; isolation: Isolation }[] {
  if (alone === true) return [{ ending: 'committed at once', isolation: 'read committed' }];
  const endings = ENDINGS.filter((ending) => ending !== 'held' || holds === true);
  return ISOLATIONS.flatMap((isolation) => endings.map((ending) => ({ ending, isolation })));
}
