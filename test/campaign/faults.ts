import { setTimeout as delay } from 'node:timers/promises';
import { sendSignal } from '../../src/embedded/connection.js';
import { ADVISORY_NAMESPACE } from '../../src/run/lock-fixture.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { findLeftovers, type Allowed } from './checks.js';
import { LOADER, until } from './place.js';
import type { Fault, Trial } from './trial.js';

/** A way in which a command can go wrong. */
const LOST: Allowed = {
  codes: [0, 1],
  message: /terminat|connection|ECONNRE|EPIPE|socket|recovery|starting up|shutting down|57P0|crash/i,
};
const TIMED_OUT: Allowed = { codes: [0, 1], message: /the time limit of \d+ ms has run out/ };

/** Cuts and stalls come through a network of the trial's own. */
async function throughProxy(trial: Trial, work: (proxy: TcpProxy) => Promise<Allowed>): Promise<Allowed> {
  const proxy = await startTcpProxy(trial.place.port());
  trial.loadThrough(proxy.port);
  try {
    return await work(proxy);
  } finally {
    await proxy.close();
  }
}

async function stall(trial: Trial, newOnesPass: boolean): Promise<Allowed> {
  return throughProxy(trial, async (proxy) => {
    const loading = trial.run('--timeout', '3s');
    await trial.moment();
    proxy.stall({ newOnesPass });
    const stop = trial.clock();
    await loading;
    stop();
    return TIMED_OUT;
  });
}

/** Ends sessions of the loader's by a function of the server's, all of them or one. */
async function terminate({ place, database, random }: Trial): Promise<void> {
  await place.query(
    database,
    `select pg_terminate_backend(pid) from pg_stat_activity
     where usename = $1 and datname = current_database() order by pid limit $2`,
    [LOADER.user, random.pick([1, 100])],
  );
}

/** Kills a loader, and waits until its sessions have noticed. */
async function kill(trial: Trial, loading: Promise<void>): Promise<Allowed> {
  await trial.moment();
  trial.kill('SIGKILL');
  const stop = trial.clock();
  await loading;
  await findLeftovers((sql) => trial.place.query(trial.database, sql), [LOADER.user]);
  stop();
  return { codes: [0, null] };
}

/** Holds a lock from before the loader comes until `release`. */
async function holdLock({ place, database, mode, random }: Trial): Promise<() => Promise<void>> {
  const holder = await place.client(database);
  await holder.query('begin');
  const table = random.pick(['managed_certificates', 'agents']);
  // Online mode gives way to writers of the table alone, exclusive mode to anybody who has read it.
  await holder.query(
    mode === 'exclusive'
      ? `select from ${table} limit 1`
      : `lock table ${table} in ${random.pick(['share', 'access exclusive'])} mode`,
  );
  return () => holder.end();
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'nothing but a reader and a writer',
    happen: async (trial) => {
      await trial.run();
      return { codes: [0] };
    },
  },
  {
    name: 'kill -9 of the loader',
    happen: (trial) => kill(trial, trial.run()),
  },
  {
    name: 'SIGINT or SIGTERM',
    happen: async (trial) => {
      const loading = trial.run();
      await trial.moment();
      const signal = trial.random.pick(['SIGINT', 'SIGTERM'] as const);
      trial.kill(signal);
      await loading;
      // Before its first statement runs a program is ended by the signal itself, and by its own hand after that.
      return { codes: [0, null, signal === 'SIGINT' ? 130 : 143], message: /interrupt|abort|cancel/i };
    },
  },
  {
    name: 'pg_terminate_backend',
    happen: async (trial) => {
      const loading = trial.run();
      await trial.moment();
      await terminate(trial);
      await loading;
      return LOST;
    },
  },
  {
    name: 'kill -9 of a server process',
    happen: async (trial) => {
      const loading = trial.run();
      await trial.moment();
      const [session] = await trial.place.query<{ pid: number }>(
        trial.database,
        `select pid from pg_stat_activity where usename = $1 and datname = current_database() limit 1`,
        [LOADER.user],
      );
      // It may have ended since, as it may have before.
      if (session !== undefined) sendSignal(session.pid, 'SIGKILL');
      await loading;
      return LOST;
    },
  },
  {
    name: 'immediate stop of the server',
    happen: async (trial) => {
      const loading = trial.run();
      await trial.moment();
      await trial.place.crash();
      await loading;
      return LOST;
    },
  },
  {
    name: 'socket cut',
    happen: (trial) =>
      throughProxy(trial, async (proxy) => {
        const loading = trial.run();
        await trial.moment();
        proxy.cut();
        await loading;
        return LOST;
      }),
  },
  {
    name: 'socket cut after n bytes',
    happen: (trial) =>
      throughProxy(trial, async (proxy) => {
        proxy.cutAfter(trial.random.between(1, trial.usual.bytes));
        await trial.run();
        return LOST;
      }),
  },
  { name: 'network stalled, --timeout 3s', happen: (trial) => stall(trial, false) },
  { name: 'sockets stalled, new ones pass, --timeout 3s', happen: (trial) => stall(trial, true) },
  {
    name: 'disk full',
    needsFullDisk: true,
    happen: async (trial) => {
      const emptyAgain = await trial.place.fillDisk(trial.random.between(0, 16) * 1024 * 1024);
      try {
        await trial.run();
      } finally {
        await emptyAgain();
      }
      return { codes: [0, 1], message: /No space left|could not (write|extend)|connection|recovery|crash/i };
    },
  },
  {
    name: 'statement_timeout of the role',
    happen: async (trial) => {
      await trial.set('statement_timeout', `${trial.random.between(1, trial.usual.durationMs / 2)}ms`);
      await trial.run();
      return { codes: [0, 1], message: /statement timeout[^]*raise statement_timeout/ };
    },
  },
  {
    name: 'lock_timeout of the role, a lock in the way',
    happen: async (trial) => {
      await trial.set('lock_timeout', `${trial.random.between(20, 300)}ms`);
      const release = await holdLock(trial);
      const loading = trial.run();
      await trial.moment();
      await release();
      await loading;
      return { codes: [0, 1], message: /lock timeout|could not be locked/ };
    },
  },
  {
    name: 'a lock in the way, released',
    happen: async (trial) => {
      const release = await holdLock(trial);
      const loading = trial.run();
      await trial.moment();
      await release();
      await loading;
      return { codes: [0] };
    },
  },
  {
    name: 'a lock in the way, never released',
    happen: async (trial) => {
      const release = await holdLock(trial);
      try {
        await trial.run('--timeout', '1500ms', '--lock-timeout', `${trial.random.pick([200, 5000])}ms`);
      } finally {
        await release();
      }
      // Where nothing stands there is nothing to clean, and no lock to wait for but the table's own.
      if (trial.command === 'clean' && trial.standing === 'none') return { codes: [0, 1] };
      return {
        codes: [1],
        message: /the time limit of 1500 ms has run out|could not be locked within 200 ms/,
      };
    },
  },
  {
    name: 'a deadlock',
    happen: async (trial) => {
      const { place, database } = trial;
      const other = await place.client(database);
      // Whoever looks first gives way.
      await other.query(`set deadlock_timeout = '5min'; begin; lock table agents in share mode`);
      const loading = trial.run();
      // The loader that waits for the table has the turn of its fixture, for which the other waits then.
      const waits = until(async () => {
        const [found] = await place.query(
          database,
          `select from pg_locks join pg_stat_activity using (pid) where usename = $1 and not granted and relation = 'agents'::regclass`,
          [LOADER.user],
        );
        if (found === undefined) throw new Error('not yet');
      });
      // It need not wait at all where the agents stand.
      await Promise.race([waits, loading]);
      await other.query('select pg_advisory_xact_lock($1::int, hashtext($2))', [
        ADVISORY_NAMESPACE,
        'public.agents.scale_agents',
      ]);
      await other.end();
      await loading;
      // Whoever wants a table against writers, or for himself, waits for it in steps too short to see a
      // deadlock, and gives up when his time is over: no loader waits for another's turn with a table in its hands, as this does.
      return { codes: trial.command === 'reset' || trial.mode === 'exclusive' ? [0, 1] : [0] };
    },
  },
  {
    name: 'two loaders at once',
    happen: async (trial) => {
      await Promise.all([trial.run(), trial.run()]);
      return { codes: [0] };
    },
  },
  {
    name: 'ten loaders at once',
    happen: async (trial) => {
      await Promise.all(Array.from({ length: 10 }, () => trial.run()));
      return { codes: [0] };
    },
  },
  {
    name: 'two loaders at once, one killed',
    happen: async (trial) => {
      const first = trial.run();
      await delay(trial.random.between(0, 100));
      const second = trial.run();
      await trial.moment();
      trial.kill('SIGKILL', 1);
      await Promise.all([first, second]);
      return { codes: [0, null] };
    },
  },
];
