export interface EmbeddedOptions {
  /** Directory of the server's; by default SCALE_SEED_DATA_DIR, else one in the user's data directory. */
  dataDirectory?: string | undefined;
  /** Port on 127.0.0.1; by default the one of last time, or one that the system gives. */
  port?: number | undefined;
  /** Settings of the server's, such as `{ fsync: 'off' }`; none by which it would be elsewhere. */
  settings?: Readonly<Record<string, string>> | undefined;
  /** Runs until `stopEmbedded`; by default it ends with the process that started it, and no other may use it. */
  keepRunning?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** By these scale-seed finds its server; PostgreSQL takes a name in capitals or with hyphens, too. */
const OWN_SETTINGS =
  /^(port|listen.addresses|unix.socket.directories|data.directory|config.file|scale.seed.owner)$/i;

const OPTIONS: Readonly<Record<keyof EmbeddedOptions, (value: unknown) => boolean>> = {
  dataDirectory: (value) => typeof value === 'string',
  port: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535,
  settings: (value) => isObject(value) && !Object.keys(value).some((name) => OWN_SETTINGS.test(name)),
  keepRunning: (value) => typeof value === 'boolean',
  signal: (value) => value instanceof AbortSignal,
};

export const EMBEDDED_OPTIONS = `${Object.keys(OPTIONS).join(', ')}; no settings of port, addresses, data directory or configuration file`;

/** Whether a value is options and nothing else: by a slip of the name, another server might be stopped, or destroyed. */
export function isEmbeddedOptions(value: unknown): value is EmbeddedOptions {
  const isOption = ([name, given]: [string, unknown]): boolean =>
    Object.hasOwn(OPTIONS, name) && (given === undefined || OPTIONS[name as keyof EmbeddedOptions](given));
  return isObject(value) && Object.entries(value).every(isOption);
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
