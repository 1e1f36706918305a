import type { LoadPath } from '../load-path.js';
import { copyBinary } from './copy-binary.js';
import { direct, staged, stagedFile, stringifyStream } from './copies.js';
import { offlineFloor, unloggedFloor } from './floors.js';
import { jsonRecordset, multiRow, rowByRow, unnest } from './inserts.js';
import { exclusive, online, onlineProcess, rerun } from './ours.js';
import { pgloader } from './pgloader.js';
import { postgresJs } from './postgres-js.js';
import { psqlCopy } from './psql-copy.js';
import { published, publishedProcess } from './published.js';
import { WAYS_BACK } from './ways-back.js';

/** Every load path, the reference first. */
export const PATHS: readonly LoadPath[] = [
  published,
  online,
  exclusive,
  rerun,
  publishedProcess,
  onlineProcess,
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
  psqlCopy,
  pgloader,
  unloggedFloor,
  offlineFloor,
  ...WAYS_BACK,
];

/** What is compared where nothing is named: minutes, not hours. */
export const QUICK = ['published', 'online', 'exclusive', 'rerun', 'staged', 'unnest', 'floor-offline'];
