//! Why a violation is rejected: a fixed list, so that the figures by reason mean something.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// A reason.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct Reason {
    /// What is stored.
    pub(crate) code: &'static str,
    /// The digit that chooses it on the page.
    pub(crate) key: u8,
    /// In Vietnamese.
    pub(crate) vi: &'static str,
    /// In English.
    pub(crate) en: &'static str,
    /// Whether a note must say more.
    pub(crate) needs_note: bool,
}

const fn reason(key: u8, code: &'static str, vi: &'static str, en: &'static str) -> Reason {
    Reason { code, key, vi, en, needs_note: false }
}

/// Codes are stored in decisions: add, never rename.
pub(crate) const REASONS: [Reason; 9] = [
    reason(1, "no_violation", "Không có hành vi vi phạm", "No violation happened"),
    reason(2, "plate_unreadable", "Không đọc được biển số", "Plate cannot be read"),
    reason(3, "wrong_vehicle", "Khoanh nhầm phương tiện", "Wrong vehicle marked"),
    reason(4, "signal_unclear", "Không rõ trạng thái đèn", "Signal cannot be seen"),
    reason(5, "insufficient_evidence", "Hình ảnh không đủ căn cứ", "Pictures do not prove it"),
    reason(6, "officer_direction", "Theo hiệu lệnh cảnh sát giao thông", "Directed by an officer"),
    reason(7, "priority_vehicle", "Xe ưu tiên đang làm nhiệm vụ", "Priority vehicle on duty"),
    reason(8, "duplicate", "Trùng lặp", "Duplicate"),
    Reason { needs_note: true, ..reason(9, "other", "Lý do khác (ghi rõ)", "Another reason (say which)") },
];

/// Reasons for rejecting a violation.
#[utoipa::path(get, path = "/reasons", tag = "review", responses((status = 200, body = Vec<Reason>)))]
pub(crate) async fn list() -> Json<[Reason; 9]> {
    Json(REASONS)
}
