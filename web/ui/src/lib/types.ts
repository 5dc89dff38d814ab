// The JSON of the API, as described at /api/openapi.json.

export const RULES = [
  'red_light',
  'stop_line',
  'wrong_way',
  'wrong_lane',
  'solid_line',
  'forbidden_turn',
  'u_turn',
  'no_entry',
  'no_stopping',
  'no_parking',
  'emergency_lane',
  'pavement',
  'speed',
  'section_speed',
  'over_riders',
  'no_helmet',
] as const;
export type Rule = (typeof RULES)[number];

/** Colour of a rule, 1 to 6: rules of one kind share it. */
export const RULE_HUES: Record<Rule, number> = {
  red_light: 1,
  stop_line: 2,
  wrong_way: 3,
  forbidden_turn: 3,
  u_turn: 3,
  wrong_lane: 4,
  solid_line: 4,
  no_entry: 4,
  emergency_lane: 4,
  pavement: 4,
  no_stopping: 5,
  no_parking: 5,
  speed: 6,
  section_speed: 6,
  over_riders: 6,
  no_helmet: 6,
};

export const CLASSES = ['motorcycle', 'car', 'truck', 'bus', 'bicycle', 'pedestrian'] as const;
export type VehicleClass = (typeof CLASSES)[number];

export const STATUSES = ['waiting', 'confirmed', 'rejected'] as const;
export type Status = (typeof STATUSES)[number];

export type Signal = 'red' | 'yellow' | 'green' | 'dark' | 'unknown';
export type Verdict = 'confirmed' | 'rejected' | 'reopened';
export type CameraState = 'connecting' | 'online' | 'degraded' | 'stalled' | 'offline' | 'suspended';
export type TimeSource = 'sender_report' | 'receive' | 'file' | 'file_nominal';
export type Obstacle = 'no_evidence' | 'shadow_rule' | 'nominal_time' | 'time_error';
export type Right = 'look' | 'decide' | 'reopen_any' | 'read_audit';

/** x, y, w, h in pixels of the stream's frame. */
export type Box = [number, number, number, number];

export interface Me {
  name: string;
  role: 'viewer' | 'reviewer' | 'admin';
  rights: Right[];
}

export type PlateDoubt = 'low_confidence' | 'no_kind' | 'close_alternative' | 'reads_disagree' | 'colour';

export interface PlateAlternative {
  text: string;
  confidence: number;
}

/** Fields that rows of the first version lack come as their empty values. */
export interface PlateRead {
  text: string;
  confidence: number;
  sure: boolean;
  doubts: PlateDoubt[];
  display: string;
  colour: 'white' | 'yellow' | 'blue' | 'red' | null;
  province: { code: string; issued: boolean; name: string | null } | null;
  raw: string;
  edits: { position: number; from: string; to: string }[];
  alternatives: PlateAlternative[];
  class_mismatch: boolean;
  reads: number;
}

export interface Moment {
  time: { utc: string; error_ms: number | null; source: TimeSource };
  box: Box;
  signal: Signal | null;
}

export interface LegalRef {
  code: string;
  article: string;
  name_vi: string;
  name_en: string;
  fine_min_vnd: number;
  fine_max_vnd: number;
  points: number;
}

export interface Violation {
  id: string;
  camera: string;
  utc: string;
  error_ms: number | null;
  track: number;
  class: VehicleClass;
  box: Box;
  /** Size of the frame that boxes are measured in; stills may be of a larger stream. */
  frame_px?: [number, number];
  confidence: number;
  plate: PlateRead | null;
  speed_kmh: number | null;
  rule: Rule;
  measured: Record<string, number>;
  limit: Record<string, number>;
  signal: Signal | null;
  lane: string | null;
  moments: { before: Moment; act: Moment; after: Moment };
  analysed_fps: number;
  degraded: boolean;
  law: LegalRef | null;
  versions: { model: string; scene: string; engine: string };
  evidence: { path: string; manifest_sha256: string; files: string[] } | null;
}

export interface Review {
  id: string;
  violation: string;
  utc: string;
  revision: number;
  verdict: Verdict;
  reason: string | null;
  note: string;
  user: string;
}

export interface Case {
  violation: Violation;
  status: Status;
  review: Review | null;
  revision: number;
  decision_stored: boolean;
  deadline: string;
  obstacles: Obstacle[];
  /** Only when one case was asked for. */
  history?: Review[];
}

export interface Passage {
  id: string;
  camera: string;
  utc: string;
  track: number;
  class: VehicleClass;
  confidence: number;
  plate: PlateRead | null;
  speed_kmh: number | null;
  lane: string | null;
  frames: number;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface HourCount {
  hour: string;
  rule: Rule;
  candidates: number;
  confirmed: number;
  rejected: number;
}

export interface TrafficCount {
  hour: string;
  class: VehicleClass;
  passages: number;
}

export interface Camera {
  camera: string;
  name: string;
  state: CameraState;
  reason: string;
  since: string;
  last_frame: string | null;
  analysed_fps: number;
  clock_error_ms: number | null;
  counters: {
    frames_received: number;
    frames_decoded: number;
    frames_analysed: number;
    frames_superseded: number;
    frames_over_rate: number;
    frames_undecodable: number;
    bytes_received: number;
    packets_lost: number;
    reconnects: number;
  };
}

export interface Health {
  version: string;
  started: string;
  store: 'starting' | 'ready' | 'down';
  store_reason: string;
  spool_events: number;
  spool_bytes: number;
  store_lag_s: number | null;
  analysis_lag_p95_s: number | null;
}

export interface Reason {
  code: string;
  key: number;
  vi: string;
  en: string;
  needs_note: boolean;
}
