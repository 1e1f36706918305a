import type { Phase } from '../errors.js';

/**
 * What a run tells its caller while it is under way. A fixture enters copy and merge by turns, batch after batch. Its rows
 * are counted over all of its batches: in phase copy those that were sent, in phase merge those that stand,
 * the ones that need not be sent included. One that is tried again enters phase prepare first, and counts anew. One schema
 * of many comes to its end whether it was done or failed.
 */
export type RunEvent = {
  /** Where several schemas are worked on, the one that it is about; it is not set on what concerns all. */
  schema?: string;
} & (
  | { type: 'notice'; message: string }
  | { type: 'stage'; stage: 'connect' | 'prepare' | 'work' | 'settle' | 'end' }
  | { type: 'phase'; fixture: string; table: string; phase: Phase; totalRows: number }
  | { type: 'progress'; fixture: string; phase: Phase; rows: number; totalRows: number }
  | { type: 'done'; fixture: string }
  | { type: 'settle'; table: string }
  | { type: 'measure'; round: number }
  | { type: 'end'; schema: string }
  | { type: 'confirmation'; fixture: string; line: string }
);

export type OnEvent = (event: RunEvent) => unknown;
