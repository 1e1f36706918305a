import type { Phase } from '../errors.js';
import type { RunEvent } from '../report/events.js';

/** Events that move a run on. */
export type StepEvent = Exclude<RunEvent, { type: 'notice' | 'confirmation' | 'end' }>;

interface Sample {
  rows: number;
  ms: number;
}

/** How far a fixture is, or what comes after the fixtures: the settling of a table, a round of a measurement. */
export interface Task {
  name: string;
  /** Its schema, where several are worked on. */
  schema?: string;
  phase: Phase | 'done';
  totalRows: number;
  startMs: number;
  /** When the phase was entered; for `done`, when that was. */
  enteredMs: number;
  /** The first and last count of each phase that counts rows. */
  counts: Map<Phase, { first: Sample; last: Sample }>;
}

/** Copy and merge take turns many times in a load: a task never goes back to a phase of lower rank. */
const RANK: Readonly<Partial<Record<Task['phase'], number>>> = { copy: 0, index: 2, done: 3 };

/** A key that no fixture can have. */
const AFTERWARDS = ':';

/** A name as it is told among those of other schemas. */
const labelOf = (name: string, schema: string | undefined): string =>
  schema === undefined ? name : `${schema}.${name}`;

/** Keeps what events say of a run's tasks, in the order in which they began; `now` is in milliseconds. */
export function followRun(now: () => number) {
  const tasks = new Map<string, Task>();

  function taskOf(name: string, schema: string | undefined, key: string, totalRows: number): Task {
    const known = tasks.get(key);
    if (known !== undefined) return known;
    const ms = now();
    const task: Task = {
      name: labelOf(name, schema),
      ...(schema === undefined ? {} : { schema }),
      phase: 'copy',
      totalRows,
      startMs: ms,
      enteredMs: ms,
      counts: new Map(),
    };
    tasks.set(key, task);
    return task;
  }

  function enter(task: Task, phase: Task['phase']): void {
    if (task.phase === phase || (RANK[phase] ?? 1) < (RANK[task.phase] ?? 1)) return;
    task.phase = phase;
    task.enteredMs = now();
  }

  /** A schema's tasks are done, and need not be kept. */
  function end(schema: string): void {
    for (const [key, task] of tasks) {
      if (task.schema !== schema) continue;
      enter(task, 'done');
      tasks.delete(key);
    }
  }

  /** The task that the event is about, as it is now. */
  function step(event: StepEvent): Task {
    const { schema } = event;
    if (event.type === 'settle' || event.type === 'measure') {
      const name = event.type === 'settle' ? event.table : `round ${event.round}`;
      const task = taskOf(name, schema, labelOf(AFTERWARDS, schema), 0);
      task.name = labelOf(name, schema);
      enter(task, event.type);
      return task;
    }
    const task = taskOf(
      event.fixture,
      schema,
      labelOf(event.fixture, schema),
      'totalRows' in event ? event.totalRows : 0,
    );
    enter(task, event.type === 'done' ? 'done' : event.phase);
    if (event.type === 'progress') {
      const sample = { rows: event.rows, ms: now() };
      task.counts.set(event.phase, { first: task.counts.get(event.phase)?.first ?? sample, last: sample });
    }
    return task;
  }

  return { step, end, tasks: (): Task[] => [...tasks.values()] };
}

/** Rows that are through the task's phase; undefined where the phase counts none. */
export function rowsOf(task: Task): number | undefined {
  if (task.phase === 'done') return task.totalRows || undefined;
  return task.counts.get(task.phase)?.last.rows;
}

/** Rows a second, from the first count to the last; undefined until there are two of them. */
export function speedOf({ phase, counts }: Task): number | undefined {
  const counted = phase === 'done' ? (counts.get('merge') ?? counts.get('copy')) : counts.get(phase);
  if (counted === undefined || counted.last.ms <= counted.first.ms) return undefined;
  return (1000 * (counted.last.rows - counted.first.rows)) / (counted.last.ms - counted.first.ms);
}

/** Time until the task's rows are through its phase, counting down from the last count; undefined while none can be told. */
export function leftMsOf(task: Task, nowMs: number): number | undefined {
  const last = task.counts.get(task.phase as Phase)?.last;
  const speed = speedOf(task);
  if (last === undefined || !speed) return undefined;
  const leftMs = (1000 * (task.totalRows - last.rows)) / speed - (nowMs - last.ms);
  return leftMs > 0 ? leftMs : undefined;
}
