import { randomBytes } from 'node:crypto';
import { messageOf, refusal, ScaleSeedError } from '../errors.js';
import { ADVISORY_NAMESPACE } from '../run/lock-fixture.js';
import { quote } from '../postgres/quote.js';
import type { Session } from '../postgres/session.js';
import { nodeOf } from '../table/citus.js';
import type { RunContext } from '../run/context.js';
import { unmeasured } from './scratch-tables.js';
import { withSession } from '../run/sessions.js';
import { describeHolders, whoHas } from '../run/watch-locks.js';

/** What a scratch schema is known by; nobody else's looks like that. */
const PREFIX = 'scale_seed_ci_';
const NAME = `^${PREFIX}[0-9a-f]{16}$`;

/** By then a schema should long have been created. */
const LATE_MS = 5000;

/** How long an end that was asked for, or came of a failure, waits for the schema to go. */
const DROP_MS = 6000;

/**
 * Gives `work` a schema of its own, which goes away however that ends. An advisory lock tells that it is in use: that of a
 * transaction, since a session's would stay behind in PgBouncer's connections.
 */
export async function withScratchSchema<T>(
  context: RunContext,
  work: (schema: string) => Promise<T>,
): Promise<T> {
  const name = PREFIX + randomBytes(8).toString('hex');
  let isLeft = false;
  try {
    // Its session is closed before the schema is dropped: a pooler may have no other connection to give.
    const result = await withSession(context, async (keeper) => {
      await requireCreate(keeper);
      return keeper.transaction(async () => {
        await holdLock(keeper, name);
        isLeft = true;
        await createSchema(context, name);
        const done = await work(name);
        // Under the lock: without it, another run would take the schema for left behind.
        await drop(keeper, name).catch(async (error: unknown) => {
          throw await leftBehind(keeper, name, error);
        });
        return done;
      });
    });
    isLeft = false;
    return result;
  } catch (error) {
    // That one says so, and what to do.
    isLeft &&= !(error instanceof ScaleSeedError && error.table === name);
    throw error;
  } finally {
    if (isLeft) await dropSchema(context, name);
  }
}

/** Drops the scratch schemas that earlier runs left behind; those of live runs are locked. */
export function sweepScratchSchemas(context: RunContext): Promise<void> {
  return withSession(context, async (session) => {
    const { rows } = await session.query<{ name: string }>(
      `select nspname as name from pg_namespace where nspname ~ $1 and pg_has_role(nspowner, 'usage') order by nspname`,
      [NAME],
    );
    for (const { name } of rows) {
      const dropped = await dropUnlocked(session, name).catch((error: unknown) => {
        if (context.signal.aborted) throw error;
        tellFailure(context, name, error);
      });
      if (dropped === true) context.onNotice(`dropped schema ${name}, which an earlier run had left behind`);
    }
  });
}

/** A run that leaves a schema behind has failed, whatever its verdict would be. */
async function leftBehind(keeper: Session, name: string, error: unknown): Promise<unknown> {
  if (!(error instanceof ScaleSeedError) || error.code !== 'locked') return error;
  // The transaction has failed, and can be asked no more.
  await keeper.query('rollback');
  const inSchema = 'select oid from pg_class where relnamespace = to_regnamespace($1)';
  const holders = await describeHolders(keeper, whoHas(inSchema), [name]);
  return error.with({
    message: `the scratch schema ${name} could not be dropped, and is still there: held by ${holders || 'another session'}`,
    phase: 'measure',
    table: name,
    hint: `end that session and run \`drop schema ${name} cascade\`, or ci again, which drops it first`,
  });
}

/** Refuses a role that may make no scratch schema, and a worker of Citus, where none can be made. */
export async function requireCreate(session: Session): Promise<void> {
  const asked = await session.first<{ may: boolean; database: string; role: string }>(
    `select has_database_privilege(current_database(), 'create') as may,
       quote_ident(current_database()) as database, quote_ident(current_user) as role`,
  );
  const { may, database, role } = asked!;
  if ((await nodeOf(session)) === 'worker')
    throw unmeasured(
      'only the coordinator of a Citus cluster distributes a schema, and this is a worker',
      "give the coordinator's address, or leave out --budget-ratio and --baseline",
    );
  if (may) return;
  const hint = `grant create on database ${database} to ${role}, or leave out --budget-ratio and --baseline`;
  const message = 'the role may not create the scratch schema that the reference load goes into';
  throw refusal(message, hint, { code: 'privilege', phase: 'measure' });
}

async function holdLock(keeper: Session, name: string): Promise<void> {
  // The transaction is idle while others work, for longer than a server may allow.
  await keeper.query(
    `select set_config(name, '0', true) from pg_settings
     where name in ('idle_in_transaction_session_timeout', 'transaction_timeout')`,
  );
  await keeper.query('select pg_advisory_xact_lock($1::int, hashtext($2))', [ADVISORY_NAMESPACE, name]);
}

async function createSchema(context: RunContext, name: string): Promise<void> {
  const late = setTimeout(() => {
    context.onNotice('waiting for a second connection: a pooler with a pool of one never grants it');
  }, LATE_MS);
  const creating = withSession(context, (session) =>
    session.transaction(() => session.query(`create schema ${quote(name)}`)),
  );
  await creating.finally(() => {
    clearTimeout(late);
  });
}

/** By a session of its own, which no abort of the run's reaches. What cannot be dropped now is swept by the next run. */
async function dropSchema(context: RunContext, name: string): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  const late = setTimeout(() => {
    controller.abort(new DOMException(`it took more than ${DROP_MS / 1000} s`, 'TimeoutError'));
  }, DROP_MS);
  const dropping = withSession({ ...context, signal }, (session) =>
    session.transaction(() => drop(session, name)),
  );
  await dropping.catch((error: unknown) => {
    tellFailure(context, name, error);
  });
  clearTimeout(late);
}

function dropUnlocked(session: Session, name: string): Promise<boolean> {
  return session.transaction(async () => {
    const sql = 'select pg_try_advisory_xact_lock($1::int, hashtext($2)) as locked';
    const { locked } = (await session.first<{ locked: boolean }>(sql, [ADVISORY_NAMESPACE, name]))!;
    if (locked) await drop(session, name);
    return locked;
  });
}

/** A backend whose client is gone notices within 5 s, and its locks go with it. */
async function drop(session: Session, name: string): Promise<void> {
  await session.query(`select set_config('lock_timeout', '10s', true)`);
  await session.query(`drop schema if exists ${quote(name)} cascade`);
}

function tellFailure({ onNotice }: RunContext, name: string, error: unknown): void {
  onNotice(`schema ${name} could not be dropped: ${messageOf(error)}; the next run of ci tries again`);
}
