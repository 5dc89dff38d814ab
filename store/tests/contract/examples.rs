//! One event of each kind, with every field that may be there.

use stopline_types::{
    Event, EvidenceRef, LegalRef, PlateAlternative, PlateColour, PlateDoubt, PlateEdit, PlateKind, PlateProvince,
    PlateRead, PlateSeen, RuleKind, SignalState, Verdict,
};

use crate::common;

fn plate() -> PlateRead {
    PlateRead {
        sure: false,
        doubts: vec![PlateDoubt::CloseAlternative],
        display: "59-S1 068.65".into(),
        kinds: vec![PlateKind::MotoLd5],
        kind: Some(PlateKind::MotoLd5),
        colour: Some(PlateColour::White),
        lines: Some(2),
        province: Some(PlateProvince {
            code: "59".into(), issued: true, name: Some("Thành phố Hồ Chí Minh".into())
        }),
        raw: "59S1O6865".into(),
        edits: vec![PlateEdit { position: 4, from: 'O', to: '0' }],
        characters: vec![0.99, 0.99, 0.97, 0.98, 0.62, 0.96, 0.99, 0.97, 0.98],
        alternatives: vec![PlateAlternative { text: "59S108865".into(), confidence: 0.21 }],
        class_mismatch: false,
        reads: 4,
        seen: Some(PlateSeen {
            utc: common::at(11.9),
            bbox: [812.0, 604.0, 42.0, 30.0].into(),
            frame_px: [1920, 1080].into(),
        }),
        model: "locator@0123456789ab+reader@0123456789ab".into(),
        ..PlateRead::new("59S106865", 0.62)
    }
}

pub(crate) fn all() -> Vec<(&'static str, Event)> {
    let Event::Passage(mut passage) = common::passage("gate-3", 12.4, None) else { unreachable!("a passage") };
    passage.plate = Some(plate());
    let mut violation = common::violation("gate-3", 12.4, RuleKind::RedLight);
    violation.plate = Some(plate());
    violation.signal_controller = Some(SignalState::Green);
    violation.doubts = vec!["the signal controller says green, the picture red".into()];
    violation.lane = Some("1".into());
    violation.law = Some(LegalRef {
        code: "MOTO_RED_LIGHT".into(),
        article: "ND168/2024 Art.7 cl.7 pt.c".into(),
        name_vi: "Không chấp hành hiệu lệnh của đèn tín hiệu giao thông".into(),
        name_en: "Running a red light".into(),
        fine_min_vnd: 4_000_000,
        fine_max_vnd: 6_000_000,
        points: 4,
    });
    violation.evidence = Some(EvidenceRef {
        path: "gate-3/2026/11/21/0123456789abcdef".into(),
        manifest_sha256: "0".repeat(64),
        files: vec!["act.jpg".into(), "clip.mp4".into()],
    });
    let mut review = common::review(&violation, 1, Verdict::Confirmed);
    review.plate = Some("59S108865".into());
    let incident = common::incident("gate-3", 30.0);
    vec![
        ("Passage", Event::Passage(passage)),
        ("Violation", Event::Violation(Box::new(violation))),
        ("Incident", incident),
        ("Review", Event::Review(review)),
    ]
}
