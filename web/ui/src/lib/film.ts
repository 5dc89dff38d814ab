/** A camera's own H.264 in a video element: fragmented MP4 over a WebSocket, nothing transcoded. */

export interface FilmState {
  kind: 'connecting' | 'playing' | 'ended' | 'unplayable';
  /** Why it ended, or which codec. */
  why: string;
  /** When the newest picture was taken, milliseconds since 1970. */
  capturedMs: number | null;
}

/** Seconds of the past kept in the browser. */
const KEPT_S = 20;
/** Behind the newest picture by more than this, the player jumps on. */
const BEHIND_S = 1.5;
const AGAIN_MS = 3000;

/** Plays until the returned function is called; comes again by itself when the line ends. */
export function play(video: HTMLVideoElement, camera: string, tell: (state: FilmState) => void): () => void {
  let stopped = false;
  let socket: WebSocket | null = null;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let url = '';
  const state: FilmState = { kind: 'connecting', why: '', capturedMs: null };
  const say = (change: Partial<FilmState>) => tell(Object.assign(state, change));

  function open() {
    const source = new MediaSource();
    URL.revokeObjectURL(url);
    url = URL.createObjectURL(source);
    video.src = url;
    let buffer: SourceBuffer | null = null;
    let queue: Uint8Array<ArrayBuffer>[] = [];

    function feed() {
      if (!buffer || buffer.updating || source.readyState !== 'open') return;
      const begin = buffer.buffered.length > 0 ? buffer.buffered.start(0) : 0;
      if (video.currentTime - begin > KEPT_S * 2) return buffer.remove(0, video.currentTime - KEPT_S);
      const next = queue.shift();
      if (next) {
        try {
          buffer.appendBuffer(next);
        } catch {
          // No room in the browser: what it holds is old anyway.
          socket?.close();
        }
      }
      const { buffered } = buffer;
      const end = buffered.length > 0 ? buffered.end(buffered.length - 1) : 0;
      if (end - video.currentTime > BEHIND_S) video.currentTime = end - 0.2;
      if (video.paused && end > 0) video.play().catch(() => null);
    }

    source.addEventListener(
      'sourceopen',
      () => {
        const line = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/cameras/${camera}/live`);
        socket = line;
        line.binaryType = 'arraybuffer';
        line.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
          if (typeof data === 'string') {
            const { codec } = JSON.parse(data) as { codec: string };
            const type = `video/mp4; codecs="${codec}"`;
            if (!MediaSource.isTypeSupported(type)) {
              say({ kind: 'unplayable', why: codec });
              stopped = true;
              return line.close();
            }
            if (!buffer) {
              buffer = source.addSourceBuffer(type);
              buffer.addEventListener('updateend', feed);
            } else {
              buffer.changeType(type);
            }
            return;
          }
          const capturedUs = new DataView(data).getBigInt64(0);
          if (capturedUs !== 0n) say({ kind: 'playing', why: '', capturedMs: Number(capturedUs / 1000n) });
          queue.push(new Uint8Array(data, 8));
          // A browser that cannot keep up starts anew rather than fall behind for ever.
          if (queue.length > 500) [queue] = [[]];
          feed();
        };
        line.onclose = ({ reason }) => {
          if (stopped) return;
          say({ kind: 'ended', why: reason });
          retry = setTimeout(open, AGAIN_MS);
        };
      },
      { once: true },
    );
  }

  open();
  return () => {
    stopped = true;
    clearTimeout(retry);
    socket?.close();
    video.removeAttribute('src');
    URL.revokeObjectURL(url);
  };
}
