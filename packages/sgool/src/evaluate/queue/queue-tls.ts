/**
 * @file TLS of the server that keeps the queues, by the words of PostgreSQL's addresses, which the addresses of Redis take too:
 * `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `sslpassword`.
 *
 * Reference: PostgreSQL documentation, libpq, "SSL Support" (meaning of `sslmode`)
 */
import { type ConnectionOptions, createSecureContext } from 'node:tls';
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';

/** What is checked: nothing (`require`), who signed the certificate (`verify-ca`), or also for which host (`verify-full`). */
const TLS_MODES = ['require', 'verify-ca', 'verify-full'] as const;
type TlsMode = (typeof TLS_MODES)[number];
const MODES = ['disable', ...TLS_MODES] as const;

/** How a connection is encrypted. Files are PEM. */
export interface TlsChoice {
  readonly mode: TlsMode;
  /** Authorities; without it those that Node.js knows, and those of `NODE_EXTRA_CA_CERTS`. */
  readonly sslrootcert?: string;
  /** Certificate and key of this client, where the server asks for one. */
  readonly sslcert?: string;
  readonly sslkey?: string;
  /** Of the key. */
  readonly sslpassword?: string;
}

const FILES = ['sslrootcert', 'sslcert', 'sslkey'] as const;
export const TLS_PARAMETERS = ['sslmode', ...FILES, 'sslpassword'] as const;

/**
 * Takes the parameters of TLS out of an address.
 *
 * @param isTls what the scheme says: `rediss:` is TLS, `redis:` is not, `postgres:` says nothing (undefined)
 * @returns false for none, undefined where the address leaves it to the client (of PostgreSQL: none, or what `PGSSLMODE` says)
 * @throws UserError where they contradict the scheme or each other
 */
export function takeTls(url: URL, isTls: boolean | undefined, who: string): TlsChoice | false | undefined {
  const given = Object.fromEntries(
    TLS_PARAMETERS.flatMap((name) => {
      const value = url.searchParams.get(name);
      url.searchParams.delete(name);
      return value === null ? [] : [[name, value]];
    }),
  ) as Partial<Record<(typeof TLS_PARAMETERS)[number], string>>;
  const [first] = Object.keys(given);
  if (first === undefined) return isTls === undefined ? undefined : isTls && { mode: 'verify-full' };
  const scheme = url.protocol.slice(0, -1);
  if (isTls === false) {
    throw refused(who, `${first} is for TLS, and ${scheme}:// is without; give ${scheme}s://`);
  }
  const { sslmode = 'verify-full', ...rest } = given;
  const mode = MODES.find((name) => name === sslmode);
  if (mode === undefined) {
    throw refused(who, `sslmode: not usable, got ${sslmode}; give one of ${MODES.join(', ')}`);
  }
  if (mode === 'disable') {
    if (isTls) throw refused(who, `sslmode=disable is without TLS, and ${scheme}:// is TLS; leave one out`);
    const [other] = Object.keys(rest);
    if (other !== undefined) throw refused(who, `${other} is for TLS, and sslmode=disable is without`);
    return false;
  }
  if ((rest.sslcert === undefined) !== (rest.sslkey === undefined)) {
    throw refused(who, 'sslcert and sslkey belong together; give both or none');
  }
  if (rest.sslpassword !== undefined && rest.sslkey === undefined) {
    throw refused(who, 'sslpassword is that of sslkey; give both');
  }
  return { mode, ...rest };
}

const refused = (who: string, what: string) => new UserError(`${who}: ${what}`, { exitCode: 2 });

/** What a PEM file of each parameter holds. */
const HOLDS: Readonly<Record<(typeof FILES)[number], readonly [pattern: RegExp, what: string]>> = {
  sslrootcert: [/^-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/m, 'certificate'],
  sslcert: [/^-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/m, 'certificate'],
  sslkey: [/^-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/m, 'private key'],
};

/**
 * Reads the files of a choice.
 *
 * @returns what Node.js connects with
 * @throws UserError where a file cannot be read, is no PEM, or key and certificate do not fit
 */
export async function openTls(choice: TlsChoice): Promise<ConnectionOptions> {
  const pem = async (name: (typeof FILES)[number]): Promise<string | undefined> => {
    const path = choice[name];
    if (path === undefined) return undefined;
    let text: string;
    try {
      text = await files.readText(path, SIZE_LIMITS.certificates);
    } catch (error) {
      throw new UserError(`--queue: ${name}: ${(error as Error).message}`, { cause: error });
    }
    const [pattern, what] = HOLDS[name];
    if (pattern.test(text)) return text;
    throw new UserError(`--queue: ${name}: ${path}: holds no ${what}; give a PEM file`);
  };
  const [ca, cert, key] = await Promise.all(FILES.map(pem));
  const options: ConnectionOptions = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert, key }),
    ...(choice.sslpassword === undefined ? {} : { passphrase: choice.sslpassword }),
  };
  try {
    createSecureContext(options);
  } catch (error) {
    // Without its cause: nothing of a key may get into a log.
    throw new UserError(
      `--queue: sslrootcert, sslcert, sslkey: ${(error as Error).message}; do key, certificate and password belong together?`,
    );
  }
  if (choice.mode === 'verify-full') return options;
  // As libpq: with an authority at hand, `require` checks who signed.
  if (choice.mode === 'require' && ca === undefined) return { ...options, rejectUnauthorized: false };
  return { ...options, checkServerIdentity: () => undefined };
}

const UNKNOWN_AUTHORITY =
  /SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF|UNABLE_TO_GET_ISSUER|self.signed certificate|unable to (?:verify the first|get (?:local )?issuer)/i;
const ASKS_FOR_CERTIFICATE = 'it asks for a certificate: give sslcert=FILE and sslkey=FILE';
/** What helps against what goes wrong with TLS, by the code and the text of an error. */
const HINTS: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [UNKNOWN_AUTHORITY, "name the PEM file of the certificate's authority in the address: sslrootcert=FILE"],
  [/ALTNAME_INVALID/, 'its certificate is for another host; give that host, or sslmode=verify-ca'],
  [/CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/, 'is the clock right? else it needs a new certificate'],
  [/certificate required/i, ASKS_FOR_CERTIFICATE],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|does not support SSL/,
    'it does not speak TLS there: leave TLS out, or give the port that has it',
  ],
  [/no encryption/, 'it wants TLS: give sslmode=verify-full'],
];

/** A server that waits for the rest of what it takes for a command, or hangs up on it. */
const NO_ANSWER = /ETIMEDOUT|ECONNRESET|EPIPE|Connection is closed|terminated unexpectedly/;

/**
 * What helps against an error of TLS; undefined where it is none.
 *
 * @param isTls whether the client spoke TLS
 */
export function tlsHint(error: unknown, isTls: boolean): string | undefined {
  const { code = '', message = '' } = (error ?? {}) as { code?: string; message?: string };
  const text = `${code} ${message}`;
  const hint = HINTS.find(([pattern]) => pattern.test(text))?.[1];
  if (hint !== undefined || !NO_ANSWER.test(text)) return hint;
  if (!isTls) return 'is the server running, and does it speak without TLS at this port?';
  // TLS 1.3 refuses a client without a certificate after the handshake: what it writes meanwhile may find the connection gone.
  return `is the server running, and does it speak with TLS at this port? Perhaps ${ASKS_FOR_CERTIFICATE}`;
}
