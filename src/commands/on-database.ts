/**
 * What only those commands need that work on a database: the operations, the driver, and how reports are shown. They load
 * it when they run, and in one piece: a file takes longer to open than to read.
 */
export { ci } from '../operations/ci.js';
export { clean } from '../operations/clean.js';
export { load } from '../operations/load.js';
export { manifest } from '../operations/manifest.js';
export { reset } from '../operations/reset.js';
export { verify } from '../operations/verify.js';
export { fixturesOf } from './chosen-fixtures.js';
export { publishCi, publishFailure } from './ci-outputs.js';
export { execute, underControl } from './execute.js';
export { refuseUnwritable, STDOUT, writeResult } from './outputs.js';
export { readBaseline } from './read-baseline.js';
