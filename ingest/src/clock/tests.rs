use super::*;

const START_S: f64 = 1_800_000_000.0;

fn clock() -> Clock {
    Clock::new(StreamRole::Sub, Arc::default())
}

fn utc(seconds: f64) -> UtcUs {
    UtcUs((seconds * 1e6).round() as i64)
}

fn ntp(seconds: f64) -> u64 {
    ((seconds + NTP_TO_UNIX_S) * 4_294_967_296.0) as u64
}

/// Feeds `n` packets at 25/s with the given delay and returns the last time.
fn feed(clock: &mut Clock, from: usize, n: usize, delay_s: impl Fn(usize) -> f64) -> CaptureTime {
    let at = |i: usize| i as f64 / 25.0;
    (from..from + n).map(|i| clock.packet(at(i), utc(START_S + at(i) + delay_s(i)))).last().unwrap()
}

#[test]
fn receive_times_lose_their_jitter() {
    let mut clock = clock();
    let last = feed(&mut clock, 0, 250, |i| 0.020 + (i % 7) as f64 * 0.015);
    assert_eq!(last.source, TimeSource::Receive);
    assert!((last.utc.since_s(utc(START_S + 249.0 / 25.0)) - 0.020).abs() < 1e-3, "{last:?}");
    assert!((DELAY_ALLOWANCE_MS..DELAY_ALLOWANCE_MS + 5.0).contains(&last.error_ms.unwrap()));
}

#[test]
fn sender_reports_give_the_cameras_clock_and_its_offset() {
    let mut clock = clock();
    feed(&mut clock, 0, 50, |_| 0.080);
    clock.sender_report(ntp(START_S + 2.0), 2.0, utc(START_S + 2.0 + 0.080));
    let last = feed(&mut clock, 50, 25, |_| 0.080);
    assert_eq!(last.source, TimeSource::SenderReport);
    assert!(last.utc.since_s(utc(START_S + 74.0 / 25.0)).abs() < 1e-3, "{last:?}");
    assert!((clock.offset_ms().unwrap() + 80.0).abs() < 1.0);
    assert!((last.error_ms.unwrap() - 120.0).abs() < 1.0, "{last:?}");
}

#[test]
fn a_clock_three_seconds_off_is_said_to_be() {
    let mut clock = clock();
    feed(&mut clock, 0, 5, |_| 0.1);
    clock.sender_report(ntp(START_S - 3.0), 0.0, utc(START_S));
    let last = feed(&mut clock, 5, 1, |_| 0.1);
    assert!((last.error_ms.unwrap() - 3140.0).abs() < 2.0, "{last:?}");
}

#[test]
fn absurd_clocks_are_not_trusted() {
    for (camera_s, why) in [(86_400.0, "has no time set"), (START_S - 7200.0, "is 2.0 h behind ours")] {
        let mut clock = clock();
        feed(&mut clock, 0, 5, |_| 0.1);
        clock.sender_report(ntp(camera_s), 0.0, utc(START_S));
        let last = feed(&mut clock, 5, 1, |_| 0.1);
        assert_eq!((last.source, clock.distrusted()), (TimeSource::Receive, Some(why)));
        assert!(last.utc.since_s(utc(START_S)).abs() < 1.0);
        clock.sender_report(ntp(START_S + 1.0), 1.0, utc(START_S + 1.1));
        assert_eq!(clock.distrusted(), None, "trusted again once set");
    }
}

#[test]
fn time_never_runs_backwards_when_the_base_improves() {
    let mut clock = clock();
    let mut before = feed(&mut clock, 0, 1, |_| 0.9);
    for i in 1..200 {
        if i == 60 {
            clock.sender_report(ntp(START_S + 2.4), 2.4, utc(START_S + 2.5));
        }
        let now = feed(&mut clock, i, 1, |i| if i < 20 { 0.9 } else { 0.1 });
        assert!(now.utc > before.utc, "{before:?} then {now:?}");
        assert!(now.utc.since_s(utc(START_S + i as f64 / 25.0)).abs() * 1e3 <= now.error_ms.unwrap() + 401.0);
        before = now;
    }
    assert!((before.error_ms.unwrap() - 140.0).abs() < 2.0, "{before:?}");
}

#[test]
fn drift_of_the_cameras_crystal_is_followed() {
    let mut clock = clock();
    let last = feed(&mut clock, 0, 25 * 300, |i| 0.05 + i as f64 / 25.0 * 100e-6);
    let truth = START_S + (25.0 * 300.0 - 1.0) / 25.0;
    assert!(last.utc.since_s(utc(truth)) > 0.05 + 0.02, "300 s at 100 ppm are 30 ms, less one window: {last:?}");
}

#[test]
fn a_restarted_encoder_is_noticed_in_both_directions() {
    let mut clock = clock();
    assert!(!clock.has_parted(7.0, utc(START_S)));
    feed(&mut clock, 0, 2500, |_| 0.1);
    let next = utc(START_S + 100.1);
    assert!(!clock.has_parted(100.0, next));
    assert!(!clock.has_parted(99.9, next), "frames may be reordered");
    assert!(clock.has_parted(0.0, next) && clock.has_parted(5000.0, next));
    assert!(!clock.has_parted(160.0, utc(START_S + 160.1)), "a pause is no restart");
    assert!(!clock.has_parted(100.1, utc(START_S + 109.0)), "late is no restart");
}

#[test]
fn minimum_forgets() {
    let mut window = Extremes::default();
    window.push(0.0, 1.0);
    window.push(30.0, 3.0);
    assert_eq!(window.min(), Some(1.0));
    window.push(70.0, 2.0);
    assert_eq!(window.min(), Some(2.0));
}

#[test]
fn main_and_sub_show_the_same_moment_under_the_same_time() {
    // The camera is 0.7 s behind; only `main` sends reports. Its large pictures come 30 ms later than those of `sub`.
    let device = Arc::new(DeviceClock::default());
    let (mut main, mut sub) =
        (Clock::new(StreamRole::Main, Arc::clone(&device)), Clock::new(StreamRole::Sub, Arc::clone(&device)));
    feed(&mut main, 0, 50, |_| 0.080);
    feed(&mut sub, 0, 50, |_| 0.050);
    main.sender_report(ntp(START_S + 2.0 - 0.7), 2.0, utc(START_S + 2.08));
    let of_main = feed(&mut main, 50, 100, |_| 0.080);
    let of_sub = feed(&mut sub, 50, 100, |_| 0.050);
    assert_eq!((of_main.source, of_sub.source), (TimeSource::SenderReport, TimeSource::SenderReport));
    let apart_ms = of_main.utc.since_s(of_sub.utc).abs() * 1e3;
    assert!(apart_ms < 31.0, "{of_main:?} {of_sub:?}");
    assert!(apart_ms < OTHER_STREAM_MS, "what the error allows for");
    assert!(of_sub.error_ms.unwrap() > of_main.error_ms.unwrap() + 50.0, "{of_main:?} {of_sub:?}");

    // A new session knows the camera's clock from its first packet on.
    let mut again = Clock::new(StreamRole::Main, device);
    let first = feed(&mut again, 0, 1, |_| 0.080);
    assert_eq!(first.source, TimeSource::SenderReport);
    assert!((first.utc.since_s(utc(START_S)) + 0.7).abs() < 0.001, "{first:?}");
}
