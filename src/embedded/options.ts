export interface EmbeddedOptions {
  /** Directory of the server's; by default SCALE_SEED_DATA_DIR, else one in the user's data directory. */
  dataDirectory?: string | undefined;
  /** Port on 127.0.0.1; by default the one of last time, or one that the system gives. */
  port?: number | undefined;
  /** Settings of the server's, such as `{ fsync: 'off' }`. */
  settings?: Readonly<Record<string, string>> | undefined;
  /** Runs until `stopEmbedded`; by default it ends with the process that started it, and no other may use it. */
  keepRunning?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

const OPTIONS: Readonly<Record<keyof EmbeddedOptions, (value: unknown) => boolean>> = {
  dataDirectory: (value) => typeof value === 'string',
  port: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535,
  settings: (value) => typeof value === 'object' && value !== null,
  keepRunning: (value) => typeof value === 'boolean',
  signal: (value) => value instanceof AbortSignal,
};

export const EMBEDDED_OPTIONS = Object.keys(OPTIONS).join(', ');

/** Whether a value is options and nothing else: by a slip of the name, another server might be stopped, or destroyed. */
export function isEmbeddedOptions(value: unknown): value is EmbeddedOptions {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).every(([name, given]) => {
    const is = Object.hasOwn(OPTIONS, name) ? OPTIONS[name as keyof EmbeddedOptions] : undefined;
    return is !== undefined && (given === undefined || is(given));
  });
}
