import { api } from './api';
import type { Passage, Review, Violation } from './types';

interface Handlers {
  passage?: (event: Passage) => void;
  violation?: (event: Violation) => void;
  review?: (event: Review) => void;
  /** Events were left out: read the lists again. */
  missed?: (count: number) => void;
}

export const live = $state({ connected: false });

const listeners = new Set<Handlers>();
let source: EventSource | null = null;
let lost = false;
let retry: ReturnType<typeof setTimeout> | undefined;

/** Listens until the returned function is called. */
export function listen(handlers: Handlers): () => void {
  listeners.add(handlers);
  return () => {
    listeners.delete(handlers);
  };
}

function tell(call: (handlers: Handlers) => void): void {
  for (const handlers of [...listeners]) call(handlers);
}

export function startLive(): void {
  stopLive();
  const opened = new EventSource('/api/events');
  source = opened;
  const data = <T>(event: Event): T => JSON.parse((event as MessageEvent<string>).data) as T;
  opened.addEventListener('hello', () => {
    live.connected = true;
    // What happened while the line was down is not sent again.
    if (lost) tell((to) => to.missed?.(0));
    lost = false;
  });
  opened.addEventListener('passage', (event) => tell((to) => to.passage?.(data(event))));
  opened.addEventListener('violation', (event) => tell((to) => to.violation?.(data(event))));
  opened.addEventListener('review', (event) => tell((to) => to.review?.(data(event))));
  opened.addEventListener('missed', (event) => tell((to) => to.missed?.(data<number>(event))));
  opened.addEventListener('error', () => {
    live.connected = false;
    lost = true;
    if (opened.readyState !== EventSource.CLOSED) return;
    // Refused, not broken: the session may have ended. Asking who we are finds that out.
    clearTimeout(retry);
    retry = setTimeout(() => {
      api.me().then(startLive, () => {
        if (source === opened) retry = setTimeout(startLive, 5000);
      });
    }, 2000);
  });
}

export function stopLive(): void {
  clearTimeout(retry);
  source?.close();
  source = null;
  live.connected = false;
}
