/**
 * What k6 gives a script, as far as the scripts in examples/k6 use it: the modules that they import, in one, and a VU that
 * iterates. As in k6, each VU has a copy of the script to itself (a worker), and a request holds up its VU and no other.
 */
import { readFileSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';

export interface VuData {
  env: Record<string, string>;
  /** How many iterations the test has; none where only the options are asked for. */
  iterations: number;
  /** Iterations begun, by all VUs. */
  begun: Int32Array;
  /** Set to 1 once an answer waits at `answers`. */
  answered: Int32Array;
  answers: MessagePort;
}

export interface Request {
  url: string;
  body: string;
  headers: Record<string, string>;
  tags: Record<string, string>;
}

export interface Answer {
  status: number;
  body: string;
}

export interface Options {
  scenarios: Record<string, Record<string, string | number>>;
  thresholds: Record<string, string[]>;
}

export type FromVu =
  | { options: Options }
  | { request: Request }
  | { check: string; passed: boolean }
  | { counter: string; added: number };

const { env, iterations, begun, answered, answers } = workerData as VuData;
Object.assign(globalThis, { __ENV: env, open: (file: string) => readFileSync(file, 'utf8') });

const tell = (message: FromVu): void => parentPort?.postMessage(message);
let iterationInTest: number | undefined;

function post(url: string, body: string, { headers, tags }: Omit<Request, 'url' | 'body'>): object {
  tell({ request: { url, body, headers, tags } });
  Atomics.wait(answered, 0, 0);
  Atomics.store(answered, 0, 0);
  const answer = receiveMessageOnPort(answers)?.message as Answer;
  return { ...answer, json: () => JSON.parse(answer.body) as unknown };
}

const execution = {
  get iterationInTest(): number {
    if (iterationInTest === undefined) throw new Error('there is no iteration yet');
    return iterationInTest;
  },
};

/** The default exports of k6/http and k6/execution. */
export default { post, scenario: execution };

export function check<T>(value: T, checks: Record<string, (value: T) => boolean>): void {
  for (const [name, holds] of Object.entries(checks)) tell({ check: name, passed: holds(value) });
}

/** Of k6/metrics. */
export class Counter {
  constructor(private readonly name: string) {}

  add(added: number): void {
    tell({ counter: this.name, added });
  }
}

/** Of k6/data. No more than a SharedArray has: a length, elements that cannot be changed, and for-of. */
export class SharedArray {
  readonly length: number;

  constructor(_name: string, make: () => object[]) {
    if (iterationInTest !== undefined) throw new Error('a SharedArray is made before the first iteration');
    const rows = make();
    this.length = rows.length;
    for (const [index, row] of rows.entries())
      Object.defineProperty(this, index, { value: Object.freeze(row) });
  }

  *[Symbol.iterator](): Generator {
    for (let index = 0; index < this.length; index++) yield (this as Record<number, unknown>)[index];
  }
}

/** Takes iterations until there are none left. */
export function iterate(script: { options: Options } & Record<string, unknown>): void {
  if (iterations === 0) tell({ options: script.options });
  const [scenario] = Object.values(script.options.scenarios);
  const turn = script[String(scenario?.exec)] as () => void;
  while ((iterationInTest = Atomics.add(begun, 0, 1)) < iterations) turn();
}
