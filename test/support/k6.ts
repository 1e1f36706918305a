import { build } from 'esbuild';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MessageChannel, Worker } from 'node:worker_threads';
import { EXAMPLES } from './examples.js';
import type { Answer, FromVu, Options, Request, VuData } from './k6-modules.js';

const MODULES = fileURLToPath(new URL('./k6-modules.ts', import.meta.url));

export interface K6Run {
  options: Options;
  requests: Request[];
  /** How often each check held and did not. */
  checks: Record<string, { passed: number; failed: number }>;
  counters: Record<string, number>;
}

/** Runs a script of examples/k6 as k6 would, without regard to time: a rate is as many iterations as it makes. */
export async function runScript(name: string, env: Record<string, string>): Promise<K6Run> {
  const code = await bundle(name);
  const { options } = await optionsOf(name, env);
  const [scenario] = Object.values(options.scenarios);
  const { iterations, vus } = loadOf(scenario!);
  const begun = new Int32Array(new SharedArrayBuffer(4));
  const run: K6Run = { options, requests: [], checks: {}, counters: {} };
  const vu = () =>
    runVu(code, { env, iterations, begun }, (message) => {
      note(run, message);
    });
  await Promise.all(Array.from({ length: vus }, vu));
  return run;
}

/** What a script asks k6 for; no iteration is run. */
export async function optionsOf(name: string, env: Record<string, string>): Promise<{ options: Options }> {
  const found: Options[] = [];
  const begun = new Int32Array(new SharedArrayBuffer(4));
  await runVu(await bundle(name), { env, iterations: 0, begun }, (message) => {
    if ('options' in message) found.push(message.options);
  });
  return { options: found[0]! };
}

async function bundle(name: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { iterate } from 'k6'; import * as script from './${name}'; iterate(script);`,
      resolveDir: join(EXAMPLES, 'k6'),
    },
    alias: Object.fromEntries(
      ['k6', 'k6/data', 'k6/execution', 'k6/http', 'k6/metrics'].map((module) => [module, MODULES]),
    ),
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
  });
  return outputFiles[0]!.text;
}

function loadOf(scenario: Record<string, string | number>): { iterations: number; vus: number } {
  if (scenario.executor === 'shared-iterations')
    return { iterations: Number(scenario.iterations), vus: Number(scenario.vus) };
  const [, duration, unit] = /^(\d+)([sm])$/.exec(String(scenario.duration)) ?? [];
  const seconds = Number(duration) * (unit === 'm' ? 60 : 1);
  return { iterations: Number(scenario.rate) * seconds, vus: Number(scenario.preAllocatedVUs) };
}

function runVu(
  code: string,
  data: Omit<VuData, 'answered' | 'answers'>,
  onMessage: (message: FromVu) => void,
): Promise<void> {
  const { port1: answers, port2 } = new MessageChannel();
  const answered = new Int32Array(new SharedArrayBuffer(4));
  const workerData: VuData = { ...data, answered, answers };
  const worker = new Worker(code, { eval: true, workerData, transferList: [answers] });
  return new Promise<void>((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', () => {
      resolve();
    });
    worker.on('message', (message: FromVu) => {
      onMessage(message);
      if (!('request' in message)) return;
      send(message.request).then((answer) => {
        port2.postMessage(answer);
        Atomics.store(answered, 0, 1);
        Atomics.notify(answered, 0);
      }, reject);
    });
  }).finally(() => worker.terminate());
}

async function send({ url, body, headers }: Request): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', body, headers });
  return { status: response.status, body: await response.text() };
}

function note({ requests, checks, counters }: K6Run, message: FromVu): void {
  if ('request' in message) requests.push(message.request);
  if ('counter' in message) counters[message.counter] = (counters[message.counter] ?? 0) + message.added;
  if ('check' in message) {
    const count = (checks[message.check] ??= { passed: 0, failed: 0 });
    count[message.passed ? 'passed' : 'failed'] += 1;
  }
}
