import type { RunEvent } from '../../src/report/events.js';
import type { Account, Times } from './account.js';
import type { StatementProxy } from './statement-proxy.js';
import { run, type Agreed, type Variant } from './variants.js';

/** A command on its way, and what is heard of it. */
export interface Running {
  variant: Variant;
  proxy: StatementProxy;
  outcome: Promise<Account['outcome']>;
  ended: boolean;
  stage: string;
  notices: string[];
  agreed: Agreed[];
  times: Map<string, Times>;
  /** The same where the fixtures are verified afterwards. */
  verified: Map<string, Times>;
  stop: AbortController;
}

/** Starts a command. */
export function start(variant: Variant, proxy: StatementProxy, databaseUrl: string): Running {
  const stop = new AbortController();
  let startMs = 0;
  const onEvent = (event: RunEvent): void => {
    if (event.type === 'notice') running.notices.push(event.message);
    if (event.type === 'stage') running.stage = event.stage;
    if (event.type === 'stage' && event.stage === 'work') startMs = performance.now();
    if (event.type !== 'done') return;
    const doneMs = performance.now();
    const commit = proxy.statements.findLast(({ sql }) => sql === 'commit');
    const { times, verified } = running;
    (times.has(event.fixture) ? verified : times).set(event.fixture, {
      startMs,
      commitMs: commit?.passedMs ?? 0,
      doneMs,
    });
    startMs = doneMs;
  };
  const running: Running = {
    variant,
    proxy,
    outcome: Promise.resolve({ error: undefined }),
    ended: false,
    stage: 'connect',
    notices: [],
    agreed: [],
    times: new Map(),
    verified: new Map(),
    stop,
  };
  const onAgreed = (one: Agreed): void => void running.agreed.push(one);
  running.outcome = run(variant, { databaseUrl, signal: stop.signal, onEvent, onAgreed })
    .then(
      (report) => ({ report }),
      (error: unknown) => ({ error }),
    )
    .finally(() => {
      running.ended = true;
    });
  return running;
}
