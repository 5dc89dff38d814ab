import { api, onSignedOut, Problem } from './api';
import type { Camera, CameraInfo, Health, Me, Right } from './types';
import { listen, startLive, stopLive } from './live.svelte';

/** Who is signed in, and what every page shows. */
export const session = $state({
  /** undefined: not known yet; null: nobody. */
  me: undefined as Me | null | undefined,
  cameras: [] as Camera[],
  infos: [] as CameraInfo[],
  health: null as Health | null,
  /** Age of the oldest waiting case that was counted, days. */
  oldestDays: null as number | null,
  waiting: 0,
  waitingMore: false,
  error: null as unknown,
});

const REFRESH_MS = 5000;
const RECOUNT_MS = 3000;
/** Enough to say "many": the strip counts no further. */
const WAITING_COUNTED = 200;
let timer: ReturnType<typeof setInterval> | undefined;

export function may(right: Right): boolean {
  return session.me?.rights.includes(right) ?? false;
}

export function enter(me: Me): void {
  session.me = me;
  session.error = null;
  if (may('watch')) startLive();
  void refresh();
  void countWaiting();
  void api.sites().then((infos) => (session.infos = infos), () => null);
  clearInterval(timer);
  timer = setInterval(() => {
    if (!document.hidden) void refresh();
  }, REFRESH_MS);
}

export function leave(): void {
  session.me = null;
  session.cameras = [];
  session.health = null;
  session.infos = [];
  clearInterval(timer);
  stopLive();
}

export async function findSession(): Promise<void> {
  try {
    enter(await api.me());
  } catch (error) {
    session.me = null;
    session.error = error instanceof Problem && error.kind === 'not_signed_in' ? null : error;
  }
}

async function refresh(): Promise<void> {
  const [cameras, health] = await Promise.allSettled([may('watch') ? api.cameras() : [], api.health()]);
  if (session.me === null) return;
  if (cameras.status === 'fulfilled') session.cameras = cameras.value;
  session.health = health.status === 'fulfilled' ? health.value : null;
}

export async function countWaiting(): Promise<void> {
  if (!may('read_cases')) return;
  try {
    const queue = await api.queue({ limit: WAITING_COUNTED });
    session.waiting = queue.items.length;
    session.waitingMore = queue.more;
    const oldest = queue.items.reduce<number | null>((least, { violation }) => {
      const at = Date.parse(violation.utc);
      return least === null || at < least ? at : least;
    }, null);
    session.oldestDays = oldest === null ? null : (Date.now() - oldest) / 86_400_000;
  } catch {
    // The strip keeps the last count; the page that needs the cases says what is wrong.
  }
}

export function siteOf(camera: string): string {
  return session.infos.find((info) => info.camera === camera)?.site ?? '';
}

export function cameraName(id: string): string {
  return session.cameras.find((camera) => camera.camera === id)?.name ?? id;
}

onSignedOut(leave);

let recount: ReturnType<typeof setTimeout> | undefined;

/** Counts anew in a while: many events together cost one count. */
function recountSoon(): void {
  recount ??= setTimeout(() => {
    recount = undefined;
    if (session.me) void countWaiting();
  }, RECOUNT_MS);
}

listen({ violation: recountSoon, review: recountSoon, missed: recountSoon });
