import { refusal } from '../errors.js';
import { timestampText } from '../fixtures/timestamp.js';
import type { Opened, Session } from '../postgres/session.js';
import { HAS_CITUS, mayReplicateIn } from '../table/citus.js';

/** What a run has to know of its server. */
export interface Server {
  /** `18.4`. */
  version: string;
  /** The role may set session_replication_role. */
  mayReplicate: boolean;
  hasCitus: boolean;
  /** The server's now(), ISO 8601 to the microsecond: the anchor on which all times of the run hang. */
  anchor: string;
}

const OLDEST_SERVER = 140_000;

const READ_ONLY_HINT =
  'give the address of the primary if this is a standby; else see default_transaction_read_only of role, database and URL';

/** What a run has to know of its server, in one row, to be asked with the begin of a transaction. */
export const ASK_SERVER = `
select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
  current_setting('is_superuser')::bool as superuser, current_setting('transaction_read_only')::bool as "readOnly",
  has_database_privilege(current_database(), 'temporary') as temporary,
  ${HAS_CITUS} as "hasCitus",
  (extract(epoch from now()) * 1000000)::int8 as "anchorUs"`;

interface Answer extends Pick<Server, 'version' | 'hasCitus'> {
  number: number;
  superuser: boolean;
  readOnly: boolean;
  temporary: boolean;
  anchorUs: string;
}

/** The same as a run needs it. */
export async function readServer(session: Session, answer: Opened): Promise<Server> {
  const { version, number, superuser, readOnly, temporary, hasCitus, anchorUs } = answer as unknown as Answer;
  const lacking = { code: 'privilege', phase: 'prepare' } as const;
  if (readOnly) throw refusal('the session is read-only', READ_ONLY_HINT, lacking);
  // Every operation needs one.
  if (!temporary)
    throw refusal(
      'the role may not make temporary tables',
      'grant temporary on the database to the role',
      lacking,
    );
  if (number < OLDEST_SERVER) {
    const message = `the server is PostgreSQL ${version}; 14 is the oldest that works`;
    throw refusal(message, 'name a newer server', { code: 'configuration', phase: 'connect' });
  }
  const mayReplicate = superuser || (number >= 150_000 && (await mayReplicateIn(session)));
  const anchor = timestampText(BigInt(anchorUs));
  return { version: version.split(' ')[0] ?? version, mayReplicate, hasCitus, anchor };
}
