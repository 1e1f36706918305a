import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { encodeWhole } from '../src/encode/encode-rows.js';
import { messageOf, ScaleSeedError } from '../src/errors.js';
import type { Fixture } from '../src/fixtures/fixture.js';
import { quote } from '../src/postgres/quote.js';
import type { LoadPath, Phases, Run } from './load-path.js';
import type { Sandboxes } from './sandboxes.js';

export interface Sample {
  path: LoadPath;
  ms: number;
  phases: Phases | undefined;
}

/** 2026-01-01T00:00:00Z, so that ready files hold the same bytes in every run. */
const ANCHOR_US = 1_767_225_600_000_000n;

export interface Measurement {
  paths: readonly LoadPath[];
  fixtures: readonly Fixture[];
  runs: number;
  signal: AbortSignal;
  /** Called before each run; round 0 is the warm-up. */
  onRun: (path: LoadPath, round: number) => void;
  /** Called with all samples so far, after each round that counts. */
  onRound: (samples: readonly Sample[]) => Promise<void>;
}

/**
 * Runs paths in turn, round after round (A B C A B C ...), each in a fresh sandbox, so that whatever slows the machine
 * down slows all of them; the first round warms up and is thrown away.
 */
export async function measure(sandboxes: Sandboxes, measurement: Measurement): Promise<Sample[]> {
  const folder = await mkdtemp(join(tmpdir(), 'scale-seed-bench-'));
  const samples: Sample[] = [];
  try {
    for (let round = 0; round <= measurement.runs; round++) {
      for (const path of measurement.paths) {
        measurement.signal.throwIfAborted();
        measurement.onRun(path, round);
        const sample = await runOnce(sandboxes, path, measurement.fixtures, folder);
        if (round > 0) samples.push(sample);
      }
      if (round > 0) await measurement.onRound(samples);
    }
    return samples;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runOnce(
  sandboxes: Sandboxes,
  path: LoadPath,
  fixtures: readonly Fixture[],
  folder: string,
): Promise<Sample> {
  const sandbox = await sandboxes.fresh();
  const csvFile = (fixture: Fixture): Promise<string> => readyFile(folder, fixture);
  const { url, schema, client } = sandbox;
  const run: Run = { url, schema, client, fixtures, anchorUs: ANCHOR_US, csvFile, folder };
  try {
    await path.prepare?.(run);
    // Where the role may: nobody pays for writing what came before.
    await client.query('checkpoint').catch(() => undefined);
    const startMs = performance.now();
    const phases = await path.load(run);
    const ms = performance.now() - startMs;
    if (path.kind !== 'floor') await checkRows(run, path);
    return { path, ms, phases };
  } catch (error) {
    throw new ScaleSeedError(`load path ${path.name} failed: ${messageOf(error)}`, {
      code: 'server',
      phase: 'copy',
      hint: "leave it out with --paths, or see the server's log",
      cause: error,
    });
  } finally {
    await sandbox.close();
  }
}

/** A path that leaves rows out, or behind, must not win. */
async function checkRows({ client, fixtures }: Run, path: LoadPath): Promise<void> {
  for (const { table, count } of fixtures) {
    const { rows } = await client.query<{ count: string }>(`select count(*) from ${quote(table)}`);
    const expected = path.leavesNone ? 0 : count;
    if (Number(rows[0]?.count) !== expected) {
      throw new Error(`${path.name} left ${rows[0]?.count ?? 'no'} rows in ${table} instead of ${expected}`);
    }
  }
}

const ready = new Map<string, Promise<string>>();

function readyFile(folder: string, fixture: Fixture): Promise<string> {
  const file = join(folder, `${fixture.name}-${fixture.count}.csv`);
  const known = ready.get(file) ?? writeCsv(file, fixture);
  ready.set(file, known);
  return known;
}

async function writeCsv(file: string, fixture: Fixture): Promise<string> {
  async function* bytes(): AsyncGenerator<Buffer, void> {
    for await (const chunk of encodeWhole(fixture, ANCHOR_US)) yield chunk.bytes;
  }
  await pipeline(bytes(), createWriteStream(file));
  return file;
}
