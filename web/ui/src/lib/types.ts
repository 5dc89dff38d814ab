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
export type Obstacle =
  | 'no_evidence'
  | 'shadow_rule'
  | 'nominal_time'
  | 'time_error'
  | 'no_certificate'
  | 'certificate_expired'
  | 'accident'
  | 'transferred';
export const RIGHTS = [
  'watch',
  'read_cases',
  'decide',
  'approve',
  'reopen_any',
  'transfer',
  'read_history',
  'search_plates',
  'unmask',
  'read_figures',
  'export',
  'operate',
  'manage_users',
  'read_audit',
] as const;
export type Right = (typeof RIGHTS)[number];
export const ROLES = ['viewer', 'reviewer', 'approver', 'analyst', 'operator', 'auditor', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** x, y, w, h in pixels of the stream's frame. */
export type Box = [number, number, number, number];

export interface Me {
  name: string;
  roles: Role[];
  rights: Right[];
  everywhere: boolean;
  sites: string[] | null;
}

export type PlateDoubt = 'low_confidence' | 'no_kind' | 'close_alternative' | 'reads_disagree' | 'neighbour' | 'borne_by_another' | 'colour';

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
  /** Confidence of each character of `text`. */
  characters: number[];
  seen: { utc: string; box: Box; frame_px: [number, number] } | null;
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
  /** What the signal controller said, where one is connected. */
  signal_controller: Signal | null;
  /** What whoever decides must know, in the engine's words. */
  doubts: string[];
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
  plate?: string;
  user: string;
}

export interface Mark {
  user: string;
  utc: string;
  note: string;
}

export interface Notes {
  plate: string | null;
  plate_user: string | null;
  accident: boolean;
  escalated: Mark | null;
  transferred: Mark | null;
  transferred_to: string | null;
  duplicate_of: string | null;
  proposed: Mark | null;
}

export interface Lease {
  user: string;
  until: string;
}

export interface Device {
  name: string;
  serial: string;
  certificate: { number: string; issuer: string; issued: string; expires: string } | null;
}

export interface CameraInfo {
  camera: string;
  name: string;
  site: string;
  position: [number, number] | null;
  device: Device | null;
}

export interface Related {
  likely_duplicates: Case[];
  merged: string[];
  plate_history: Case[];
}

export type Point = [number, number];

/** The scene of a camera, as its file writes it. Keys that are not drawn are kept as they are. */
export const ZONE_KINDS = ['no_stopping', 'no_parking', 'no_entry', 'emergency_lane', 'pavement'] as const;
export type ZoneKind = (typeof ZONE_KINDS)[number];

/** As camera files write it; what the pages do not know of is kept as it came. */
export interface Scene {
  frame_px: [number, number];
  lanes?: { name: string; polygon: Point[]; direction: Point; classes?: VehicleClass[] | null; limit_kmh?: Record<string, number | null> }[];
  stop_lines?: { name: string; points: Point[]; direction: Point; signal: string; beyond?: Point[] | null }[];
  zones?: { name: string; kind: ZoneKind; polygon: Point[]; dwell_s?: number | null }[];
  solid_lines?: { name: string; points: Point[] }[];
  signals?: { name: string; box: Box }[];
  ground?: { points: { px: Point; m: Point }[] } | null;
  rules?: Record<string, { mode?: 'live' | 'shadow' | 'off'; [key: string]: unknown }>;
}

export interface Tally {
  slot: number | null;
  camera: string | null;
  rule: Rule | null;
  candidates: number;
  confirmed: number;
  rejected: number;
}

export interface PassageTally {
  slot: number | null;
  camera: string | null;
  passages: number;
  with_plate: number;
  plates_read: number;
}

export interface Reads {
  with_plate: number;
  read: number;
}

export interface Score {
  camera: string;
  passages: number;
  day: Reads;
  night: Reads;
  candidates: number;
  confirmed: number;
  rejected: number;
}

export interface Offender {
  plate: string;
  candidates: number;
  confirmed: number;
  last: string;
}

export interface Precision {
  rule: Rule;
  camera: string;
  confirmed: number;
  rejected: number;
  engine_wrong: number;
}

export interface Grant {
  id: number;
  role: Role;
  agency: string | null;
  site_group: string | null;
  valid_from: string | null;
  valid_to: string | null;
}

export interface User {
  name: string;
  grants: Grant[];
  disabled: boolean;
  created: string;
}

export interface Agency {
  code: string;
  name: string;
  valid_from: string | null;
  valid_to: string | null;
  groups: { code: string; name: string; sites: string[] }[];
}

export interface AuditEntry {
  seq: number;
  utc: string;
  user: string;
  action: string;
  subject: string;
  detail: string;
}

export interface Session {
  id: number;
  created: string;
  seen: string;
  expires: string;
  agent: string;
  current: boolean;
}

export interface Token {
  id: number;
  name: string;
  rights: Right[];
  created: string;
  expires: string;
  seen: string | null;
}

export interface Storage {
  total_bytes: number;
  free_bytes: number;
  parts: { name: string; bytes: number; bytes_per_day: number | null }[];
}

export interface Case {
  violation: Violation;
  status: Status;
  review: Review | null;
  revision: number;
  decision_stored: boolean;
  deadline: string;
  deadlines: { notice: string; alert: string; limitation: string };
  obstacles: Obstacle[];
  second_approval: boolean;
  notes: Notes;
  lease: Lease | null;
  device: Device | null;
  /** Only when one case was asked for. */
  history?: Review[];
  /** Seconds since it was first seen, x and y in pixels of `frame_px`. */
  trajectory?: [number, number, number][];
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
  /** Why no rule is judged now, in the engine's words; null: rules are judged. */
  rules_rest: string | null;
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
