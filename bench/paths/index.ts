import type { LoadPath } from '../load-path.js';
import { copyBinary } from './copy-binary.js';
import { direct, staged, stagedFile, stringifyStream } from './copies.js';
import { offlineFloor, unloggedFloor } from './floors.js';
import { jsonRecordset, multiRow, rowByRow, unnest } from './inserts.js';
import { exclusiveProcess, onlineProcess, rerunProcess } from './our-processes.js';
import { exclusive, online, rerun } from './ours.js';
import { pgloader } from './pgloader.js';
import { postgresJs } from './postgres-js.js';
import { parallelCopy, psqlCopy, replicaCopy } from './psql-copies.js';
import { published, publishedProcess } from './published.js';
import { timescaledbParallelCopy } from './timescaledb-parallel-copy.js';
import { WAYS_BACK } from './ways-back.js';

/** Every load path: whole processes, as a user runs them, then what goes on within one; the reference of each first. */
export const PATHS: readonly LoadPath[] = [
  publishedProcess,
  onlineProcess,
  exclusiveProcess,
  rerunProcess,
  parallelCopy,
  psqlCopy,
  timescaledbParallelCopy,
  pgloader,
  replicaCopy,
  unloggedFloor,
  offlineFloor,
  published,
  online,
  exclusive,
  rerun,
  rowByRow,
  multiRow,
  unnest,
  jsonRecordset,
  direct,
  staged,
  stagedFile,
  stringifyStream,
  copyBinary,
  postgresJs,
  ...WAYS_BACK,
];

/** What is compared where nothing is named: what a user would otherwise run, in minutes. */
export const QUICK = [
  'published-process',
  'online-process',
  'exclusive-process',
  'rerun-process',
  'parallel-copy',
  'psql-copy',
  'timescaledb-parallel-copy',
  'replica-copy',
  'floor-offline',
];
