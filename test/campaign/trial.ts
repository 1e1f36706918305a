import { setTimeout as delay } from 'node:timers/promises';
import { start, type Outcome, type Running } from '../support/command-line.js';
import { startBystanders } from './bystanders.js';
import {
  countFleet,
  fleetAfter,
  describeStructure,
  findLeftovers,
  findOrphans,
  FIXTURES,
  judgeOutcome,
  partial,
  type Allowed,
  type Command,
  type Query,
} from './checks.js';
import { LOADER, STANDING, type Place, type Standing } from './place.js';
import { Random } from './random.js';

/** How long an undisturbed load takes, from the start of the process, and how much crosses the network. */
export interface Usual {
  durationMs: number;
  bytes: number;
}

/** What a fault has at hand. */
export interface Trial {
  place: Place;
  database: string;
  random: Random;
  command: Command;
  mode: 'online' | 'exclusive';
  standing: Standing;
  usual: Usual;
  /** Starts the trial's command; resolves when it has ended. */
  run: (...options: string[]) => Promise<void>;
  /** Signals the loaders, or the one that was started as number `index`. */
  kill: (signal: NodeJS.Signals, index?: number) => void;
  /** Waits until a random moment of the load. */
  moment: () => Promise<void>;
  /** Loaders that are started from now on connect to this port. */
  loadThrough: (port: number) => void;
  /** Takes the time until what is returned is called. */
  clock: () => () => void;
  /** A setting of the loader's role. */
  set: (name: string, value: string) => Promise<void>;
}

/** Something that goes wrong while a load is under way. */
export interface Fault {
  name: string;
  /** Loads once or more while the fault happens; says how the loaders may end. */
  happen: (trial: Trial) => Promise<Allowed>;
  needsFullDisk?: true;
}

/** What must not be found after a trial; each is a column of the table. */
export const VIOLATIONS = ['partial', 'structure', 'hang', 'leftover', 'exit', 'next'] as const;
export type Violation = (typeof VIOLATIONS)[number];

export interface TrialResult {
  trial: number;
  fault: string;
  command: Command;
  mode: 'online' | 'exclusive';
  standing: Standing;
  exits: string[];
  elapsedMs: number;
  /** From the fault until its loader, or the loader's sessions, were gone. */
  clockedMs: number | undefined;
  longestWaitMs: number;
  violations: { kind: Violation; what: string }[];
}

/** A loader that has not ended by then hangs. */
const DEADLINE_MS = 60_000;

/** What of some options a command has; where it might ask, it is answered. */
function optionsOf(command: Command, options: readonly string[]): string[] {
  const pairs = options.flatMap((option, index) => (index % 2 === 0 ? [[option, options[index + 1]!]] : []));
  const own = pairs.filter(([name]) => command !== 'clean' || name === '--timeout').flat();
  return command === 'load' ? own : ['--yes', ...own];
}

/** Runs one trial: the fault, then whatever must hold after any fault, then a load that must complete. */
export async function runTrial(
  place: Place,
  fault: Fault,
  trial: number,
  seed: number,
  usual: Usual,
): Promise<TrialResult> {
  const random = new Random(seed, trial);
  const command = random.pick(['load', 'load', 'reset', 'clean'] as const);
  const mode = random.pick(['online', 'exclusive'] as const);
  const standing = random.pick(STANDING);
  const database = `trial_${trial}`;
  const violations: TrialResult['violations'] = [];
  const note = (kind: Violation, found: readonly string[]): void => {
    violations.push(...found.map((what) => ({ kind, what })));
  };
  const query: Query = (sql) => place.query(database, sql);
  await place.create(database, standing);
  const before = await countFleet(place, database);
  const after = fleetAfter(command, before, place.fleet);
  const structure = await describeStructure(query);
  const bystanders = startBystanders(place, database, (seen) => partial(seen, before, after));

  let port = place.port();
  let clockedMs: number | undefined;
  const running: Running[] = [];
  const outcomes: Outcome[] = [];
  const args = (command: string, ...options: string[]): string[] => [
    command,
    ...['--certs', String(place.fleet.certs), '--agents', String(place.fleet.agents)],
    ...options,
    ...['--database-url', `postgresql://${LOADER.user}@127.0.0.1:${port}/${database}?sslmode=disable`],
  ];
  const run = async (command: string, ...options: string[]): Promise<void> => {
    const loader = start(args(command, ...options), { PGPASSWORD: LOADER.password });
    running.push(loader);
    outcomes.push(await loader.outcome);
  };
  const startMs = performance.now();
  let allowed: Allowed = { codes: [] };
  const happening = fault
    .happen({
      place,
      database,
      random,
      command,
      mode,
      standing,
      usual,
      run: (...options) => run(command, ...optionsOf(command, ['--mode', mode, ...options])),
      kill: (signal, index) => {
        for (const loader of index === undefined ? running : [running[index]!]) loader.kill(signal);
      },
      moment: () => delay(random.next() * usual.durationMs * 1.1),
      loadThrough: (through) => {
        port = through;
      },
      clock: () => {
        const clockMs = performance.now();
        return () => {
          clockedMs = Math.round(performance.now() - clockMs);
        };
      },
      set: async (name, value) => {
        await place.query(
          'postgres',
          `alter role ${LOADER.user} in database ${database} set ${name} = '${value}'`,
        );
      },
    })
    .then((answer) => {
      allowed = answer;
      return true;
    });
  if (!(await Promise.race([happening, delay(DEADLINE_MS, false, { ref: false })]))) {
    note('hang', [`no end within ${DEADLINE_MS} ms`]);
    for (const loader of running) loader.kill('SIGKILL');
    await happening;
  }

  await place.revive();
  const seen = await bystanders.stop();
  const fleet = await countFleet(place, database);
  note('partial', partial(fleet, before, after));
  note('partial', seen.complaints);
  for (const outcome of outcomes) note('exit', judgeOutcome(outcome, allowed, fleet, before, after));
  note('structure', await checkStructure());

  port = place.port();
  await place.query('postgres', `alter role ${LOADER.user} in database ${database} reset all`);
  const again = start(args('load', '--mode', mode), { PGPASSWORD: LOADER.password });
  const next = await Promise.race([again.outcome, delay(DEADLINE_MS, undefined, { ref: false })]);
  if (next === undefined) again.kill('SIGKILL');
  if (next?.code !== 0) note('next', [`the next run: ${next?.stderr ?? 'hangs'}`]);
  const [now, loaded] = [await countFleet(place, database), fleetAfter('load', fleet, place.fleet)];
  for (const name of FIXTURES)
    if (now[name] !== loaded[name]) note('next', [`${name} after the next run: ${now[name]}`]);
  note('structure', await checkStructure());
  note('leftover', await findLeftovers(query, [LOADER.user]));
  await place.drop(database);
  return {
    trial,
    fault: fault.name,
    command,
    mode,
    standing,
    exits: outcomes.map(({ code }) => (code === null ? 'killed' : String(code))),
    elapsedMs: Math.round(performance.now() - startMs),
    clockedMs,
    longestWaitMs: Math.round(seen.longestWaitMs),
    violations,
  };

  async function checkStructure(): Promise<string[]> {
    const now = await describeStructure(query);
    const changed = now === structure ? [] : [`indexes or constraints have changed: ${now}`];
    return [...changed, ...(await findOrphans(query))];
  }
}
