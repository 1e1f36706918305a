import type { BadInput } from './bad-input.js';

/** None of these messages may hold the word `s3cret`. */
const NOTHING_THERE = '127.0.0.1:1/d';
const NO_URL = /the database URL is not a PostgreSQL connection string/;
const NO_SERVER = /cannot connect to postgresql:\/\/u@127\.0\.0\.1:1\/d: connect ECONNREFUSED/;

type BadUrl = [what: string, url: string, exit: number, printed: RegExp, env?: Record<string, string>];

const BAD_URLS: readonly BadUrl[] = [
  ['of another kind of server', 'mysql://u:s3cret@h/d', 2, NO_URL],
  ['that is a password', 's3cret', 2, NO_URL],
  ['with a port that is none', 'postgresql://u:s3cret@h:port/d', 2, /the port is not a whole number/],
  ['with a / in its password', 'postgresql://u:123/s3cret@h/d', 2, NO_URL],
  ['with a ? in its password', `postgresql://u:123?s3cret@${NOTHING_THERE}`, 1, NO_SERVER],
  ['with a # in its password', `postgresql://u:123#s3cret@${NOTHING_THERE}`, 1, NO_SERVER],
  ['with a % in its password', 'postgresql://u:s3cret%zz@h/d', 2, NO_URL],
  ['with an @ in its password', `postgresql://u:s3cret@s3cret@${NOTHING_THERE}`, 2, NO_URL],
  ['with its password in the query', `postgresql://u@${NOTHING_THERE}?password=s3cret`, 1, NO_SERVER],
  ['with its password percent-encoded', `postgresql://u:%733cret@${NOTHING_THERE}`, 1, NO_SERVER],
  [
    'whose password is in PGPASSWORD',
    `postgresql://u@${NOTHING_THERE}`,
    1,
    NO_SERVER,
    { PGPASSWORD: 's3cret' },
  ],
  ['with port 0', 'postgresql://u:s3cret@h:0/d', 2, /the port is not a whole number from 1 to 65535/],
  ['with port 99999', 'postgresql://u:s3cret@h/d?port=99999', 2, /the port is not a whole number/],
  ['and PGPORT=s3cret', 'postgresql://u@h/d', 2, /the port is not a whole number/, { PGPORT: 's3cret' }],
  [
    'with a time that is none',
    'postgresql://u@h/d?connect_timeout=s3cret',
    2,
    /connect_timeout is not a whole number/,
  ],
  [
    'with an sslmode that is none',
    'postgresql://u@h/d?sslmode=verifyfull',
    2,
    /sslmode is not one of disable, allow, prefer, require/,
  ],
  [
    'with a slip in a parameter',
    'postgresql://u@h/d?sslmod=require',
    2,
    /a parameter that is not understood: sslmod/,
  ],
  [
    'with a search_path',
    'postgresql://u@h/d?search_path=fleet',
    2,
    /a parameter that is not understood: search_path/,
  ],
  [
    'with its key in place of the key’s file',
    'postgresql://u@h/d?sslcert=FOLDER/open&sslkey=s3cret',
    2,
    /open 'the file of sslkey'/,
  ],
  [
    'with a password file that is not there',
    `postgresql://u@${NOTHING_THERE}?passfile=/nowhere`,
    1,
    NO_SERVER,
  ],
  [
    'with a password file that is open to others',
    `postgresql://u@${NOTHING_THERE}?passfile=FOLDER/open`,
    1,
    /the password file .*\/open is passed over: others may read it[^]*ECONNREFUSED/,
  ],
  [
    'that asks for a login that is none',
    'postgresql://u@h/d?require_auth=scram',
    2,
    /require_auth cannot be used as it is given/,
  ],
  ['that asks for GSSAPI', 'postgresql://u@h/d?gssencmode=require', 2, /gssencmode is not one of disable/],
  ['that is empty', '', 2, /no database is named: --database-url is empty/],
];

export const URLS: readonly BadInput[] = [
  ...BAD_URLS.map(([what, url, exit, printed, env = {}]) => ({
    what: `a URL ${what}`,
    typed: ({ folder }: { folder: string }) => ['load', '--database-url', url.replace('FOLDER', folder)],
    env,
    exit,
    printed,
  })),
  {
    what: 'a URL without the password that the server asks for',
    typed: ({ roleUrl }) => ['load', '--database-url', roleUrl.replace(/:[^:@]+@/, '@')],
    exit: 2,
    printed: /the server asks for a password, and none is given[^]*set PGPASSWORD/,
  },
];
