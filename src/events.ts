import type { Phase } from './errors.js';

/** What a run tells its caller while it is under way; rows count within the fixture and phase. */
export type RunEvent =
  | { type: 'notice'; message: string }
  | { type: 'phase'; fixture: string; table: string; phase: Phase; totalRows: number }
  | { type: 'progress'; fixture: string; phase: Phase; rows: number; totalRows: number }
  | { type: 'done'; fixture: string }
  | { type: 'confirmation'; fixture: string; line: string };

export type OnEvent = (event: RunEvent) => void;
