/** What a run tells its caller while it is under way; rows count within the fixture and phase. */
export type RunEvent =
  | { type: 'notice'; message: string }
  | { type: 'phase'; fixture: string; table: string; phase: StepName; totalRows: number }
  | { type: 'progress'; fixture: string; phase: StepName; rows: number; totalRows: number }
  | { type: 'done'; fixture: string; rows: number }
  | { type: 'confirmation'; fixture: string; line: string };

/** A step of a fixture's that takes time. */
export type StepName = 'copy' | 'merge' | 'compare' | 'delete';

export type OnEvent = (event: RunEvent) => void;
