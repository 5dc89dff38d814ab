import type {
  Camera,
  Case,
  Health,
  HourCount,
  Me,
  Page,
  Passage,
  Reason,
  TrafficCount,
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

async function ask<T>(path: string, body?: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`/api${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: body === undefined ? {} : { 'content-type': 'application/json', 'x-stopline-request': '1' },
      body: body === undefined ? null : JSON.stringify(body),
      credentials: 'same-origin',
    });
  } catch {
    throw new Problem('offline', 0, '');
  }
  if (response.ok) {
    return (response.status === 204 ? undefined : await response.json()) as T;
  }
  const told: unknown = await response.json().catch(() => null);
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

type Query = Record<string, string | number | null | undefined>;

function query(values: Query): string {
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
  cases: (filter: Query) => ask<Page<Case>>(`/cases${query(filter)}`),
  case: (id: string) => ask<Case>(`/cases/${id}`),
  decide: (id: string, decision: { verdict: Verdict; reason?: string; note?: string; revision: number }) =>
    ask<Case>(`/cases/${id}/decision`, decision),
  passages: (filter: Query) => ask<Page<Passage>>(`/passages${query(filter)}`),
  counts: (from: string, to: string) => ask<{ items: HourCount[] }>(`/counts${query({ from, to })}`),
  traffic: (from: string, to: string) => ask<{ items: TrafficCount[] }>(`/traffic${query({ from, to })}`),
  cameras: () => ask<Camera[]>('/cameras'),
  health: () => ask<Health>('/health'),
};

export function evidenceUrl(id: string, file: string): string {
  return `/api/cases/${id}/evidence/${encodeURIComponent(file)}`;
}
