import type {
  Agency,
  AuditEntry,
  Camera,
  CameraInfo,
  Case,
  Health,
  HourCount,
  Lease,
  Me,
  Offender,
  Page,
  Passage,
  PassageTally,
  Precision,
  Reason,
  Related,
  Right,
  Role,
  Scene,
  Score,
  Session,
  Storage,
  Tally,
  Token,
  TrafficCount,
  User,
  Verdict,
} from './types';

export interface Conflict {
  revision: number;
  verdict: Verdict | null;
  user: string | null;
  utc: string | null;
}

/** A problem the API answered with, or `offline` when it did not answer. */
export class Problem extends Error {
  constructor(
    /** The word after `urn:stopline:`. */
    readonly kind: string,
    readonly status: number,
    detail: string,
    readonly conflict: Conflict | null = null,
    readonly retryAfterS: number | null = null,
    readonly fields: { field: string; reason: string }[] = [],
  ) {
    super(detail);
  }
}

let signedOut: () => void = () => {};

/** Called when the API says that nobody is signed in. */
export function onSignedOut(call: () => void): void {
  signedOut = call;
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

async function ask<T>(path: string, body?: unknown, method: Method = body === undefined ? 'GET' : 'POST'): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`/api${path}`, {
      method,
      headers:
        method === 'GET'
          ? {}
          : { 'x-stopline-request': '1', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? null : JSON.stringify(body),
      credentials: 'same-origin',
    });
  } catch {
    throw new Problem('offline', 0, '');
  }
  if (response.ok) {
    const text = await response.text();
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }
  const told: unknown = await response.json().catch(() => null);
  // A scene with faults is answered as what is wrong with it.
  if (response.status === 422 && told && typeof told === 'object' && 'faults' in told) return told as T;
  const problem = (told ?? {}) as {
    type?: string;
    detail?: string;
    conflict?: Conflict;
    retry_after_s?: number;
    errors?: { field: string; reason: string }[];
  };
  const kind = problem.type?.replace('urn:stopline:', '') ?? 'fault';
  if (kind === 'not_signed_in') signedOut();
  throw new Problem(
    kind,
    response.status,
    problem.detail ?? '',
    problem.conflict ?? null,
    problem.retry_after_s ?? null,
    problem.errors ?? [],
  );
}

export type Query = Record<string, string | number | null | undefined>;

export function query(values: Query): string {
  const given = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== '') given.set(key, String(value));
  }
  const text = given.toString();
  return text === '' ? '' : `?${text}`;
}

export const api = {
  me: () => ask<Me>('/me'),
  login: (name: string, password: string) => ask<Me>('/login', { name, password }),
  loginByLink: (token: string) => ask<Me>('/login/link', { token }),
  logout: () => ask<void>('/logout', {}),
  reasons: () => ask<Reason[]>('/reasons'),
  queue: (filter: Query) => ask<{ items: Case[]; more: boolean }>(`/queue${query(filter)}`),
  lease: (id: string) => ask<Lease>(`/cases/${id}/lease`, {}),
  release: (id: string) => ask<void>(`/cases/${id}/lease`, undefined, 'DELETE'),
  plate: (id: string, plate: string | null) => ask<Case>(`/cases/${id}/plate`, { plate }),
  accident: (id: string, accident: boolean) => ask<Case>(`/cases/${id}/accident`, { accident }),
  escalate: (id: string, note: string, withdraw = false) => ask<Case>(`/cases/${id}/escalate`, { note, withdraw }),
  transfer: (id: string, agency: string | null, note: string) => ask<Case>(`/cases/${id}/transfer`, { agency, note }),
  duplicate: (id: string, of: string, revision: number) => ask<Case>(`/cases/${id}/duplicate`, { of, revision }),
  related: (id: string) => ask<Related>(`/cases/${id}/related`),
  cases: (filter: Query) => ask<Page<Case>>(`/cases${query(filter)}`),
  case: (id: string) => ask<Case>(`/cases/${id}`),
  decide: (id: string, decision: { verdict: Verdict; reason?: string; note?: string; revision: number }) =>
    ask<Case>(`/cases/${id}/decision`, decision),
  passages: (filter: Query) => ask<Page<Passage>>(`/passages${query(filter)}`),
  counts: (from: string, to: string) => ask<{ items: HourCount[] }>(`/counts${query({ from, to })}`),
  traffic: (from: string, to: string) => ask<{ items: TrafficCount[] }>(`/traffic${query({ from, to })}`),
  cameras: () => ask<Camera[]>('/cameras'),
  health: () => ask<Health>('/health'),
  sites: () => ask<CameraInfo[]>('/sites'),
  scene: (camera: string) => ask<{ scene: Scene | null }>(`/cameras/${camera}/scene`),
  checkScene: (camera: string, scene: Scene) =>
    ask<{ faults: { key: string; reason: string }[] }>(`/cameras/${camera}/scene/check`, scene),
  keepScene: (camera: string, scene: Scene) =>
    ask<{ faults: { key: string; reason: string }[] }>(`/cameras/${camera}/scene`, scene, 'PUT'),
  storage: () => ask<Storage>('/storage'),
  tally: (filter: Query) => ask<{ violations: Tally[]; passages: PassageTally[] }>(`/tally${query(filter)}`),
  scorecard: (filter: Query) => ask<Score[]>(`/scorecard${query(filter)}`),
  offenders: (filter: Query) => ask<Offender[]>(`/offenders${query(filter)}`),
  precision: () => ask<Precision[]>('/precision'),
  users: () => ask<User[]>('/users'),
  addUser: (name: string, password: string, role: Role) => ask<void>('/users', { name, password, grant: { role } }),
  changeUser: (name: string, change: { disabled?: boolean; password?: string }) =>
    ask<void>(`/users/${encodeURIComponent(name)}`, change, 'PATCH'),
  grant: (name: string, grant: Record<string, string | null>) =>
    ask<void>(`/users/${encodeURIComponent(name)}/grants`, grant),
  ungrant: (name: string, id: number) =>
    ask<void>(`/users/${encodeURIComponent(name)}/grants/${id}`, undefined, 'DELETE'),
  endSessions: (name: string) => ask<void>(`/users/${encodeURIComponent(name)}/sessions`, undefined, 'DELETE'),
  userLink: (name: string) =>
    ask<{ path: string; expires: string }>(`/users/${encodeURIComponent(name)}/link`, undefined, 'POST'),
  agencies: () => ask<Agency[]>('/agencies'),
  putAgency: (code: string, agency: { name: string; valid_from: string | null; valid_to: string | null }) =>
    ask<void>(`/agencies/${encodeURIComponent(code)}`, agency, 'PUT'),
  putGroup: (code: string, group: { name: string; agency: string; sites: string[] }) =>
    ask<void>(`/site-groups/${encodeURIComponent(code)}`, group, 'PUT'),
  audit: (filter: Query) => ask<{ items: AuditEntry[]; next: number | null }>(`/audit${query(filter)}`),
  auditCheck: () => ask<{ entries: number; broken_at: number | null }>('/audit/check'),
  sessions: () => ask<Session[]>('/me/sessions'),
  endSession: (id: number) => ask<void>(`/me/sessions/${id}`, undefined, 'DELETE'),
  tokens: () => ask<Token[]>('/me/tokens'),
  makeToken: (name: string, rights: Right[], days: number) =>
    ask<{ id: number; token: string; expires: string }>('/me/tokens', { name, rights, days }),
  revokeToken: (id: number) => ask<void>(`/me/tokens/${id}`, undefined, 'DELETE'),
  password: (old: string, next: string) => ask<void>('/me/password', { old, new: next }),
};

export function evidenceUrl(id: string, file: string): string {
  return `/api/cases/${id}/evidence/${encodeURIComponent(file)}`;
}
