//! The thread that decodes a camera's analysed stream, and notices when nothing comes any more.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use stopline_types::{CameraId, Frame, StreamRole};

use crate::{
    counters::Counters,
    frames::{FrameMaker, Outcome},
    gate::{GateConfig, GatedMaker},
    health::{Health, Now},
    packet::Packet,
    plan::AnalysePlan,
};

/// Packets between a session and its decoder: about two seconds. Full means that the machine cannot decode all its
/// streams; then packets up to the next key frame are dropped and counted as undecodable.
const QUEUE_PACKETS: usize = 50;
/// No packet for this long: the frames that were handed on were the last for now, whether the session stands or not.
pub(crate) const SILENT_AFTER: Duration = Duration::from_secs(3);

/// What the thread hands on.
#[derive(Debug)]
pub(crate) enum Delivery {
    Frame(Frame),
    /// None follows for now.
    Silence,
}

/// Whose frames, how, and who counts.
pub(crate) struct Decoding {
    pub(crate) camera: CameraId,
    pub(crate) role: StreamRole,
    pub(crate) plan: AnalysePlan,
    pub(crate) gate: Option<GateConfig>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) health: Arc<Health>,
}

/// The session's end of the queue to the decoder.
#[derive(Debug)]
pub(crate) struct PacketQueue {
    sender: SyncSender<Packet>,
    counters: Arc<Counters>,
    /// Packets were dropped, so the next that goes in has to be a key frame.
    dropping: bool,
}

impl PacketQueue {
    /// Never blocks: it is called from async tasks.
    pub(crate) fn put(&mut self, packet: Packet) {
        let fits = !self.dropping || packet.key;
        if fits {
            match self.sender.try_send(packet) {
                Ok(()) => {
                    self.dropping = false;
                    return;
                }
                Err(TrySendError::Full(packet)) if !self.dropping => {
                    tracing::warn!(
                        at = %packet.time.utc,
                        "the decoder is {QUEUE_PACKETS} packets behind: dropping up to the next key frame"
                    );
                }
                Err(_) => {}
            }
        }
        self.dropping = true;
        Counters::add(&self.counters.undecodable, 1);
    }
}

/// Starts the thread. It ends when the queue's other end is gone. `deliver` gets every frame.
pub(crate) fn start(
    decoding: Decoding,
    deliver: impl FnMut(Delivery) + Send + 'static,
) -> std::io::Result<(PacketQueue, JoinHandle<()>)> {
    let (sender, packets) = sync_channel(QUEUE_PACKETS);
    let queue = PacketQueue { sender, counters: Arc::clone(&decoding.counters), dropping: false };
    // Linux keeps 15 characters of a thread's name.
    let thread = std::thread::Builder::new()
        .name(format!("dec {}", decoding.camera.as_str().chars().take(11).collect::<String>()))
        .spawn(move || decoding.run(&packets, deliver))?;
    Ok((queue, thread))
}

impl Decoding {
    fn maker(&self) -> GatedMaker {
        let maker = GatedMaker::new(FrameMaker::new(self.camera.clone(), self.role, self.plan.clone()));
        match self.gate {
            Some(config) => maker.gated(config),
            None => maker,
        }
    }

    fn run(&self, packets: &Receiver<Packet>, mut deliver: impl FnMut(Delivery)) {
        let mut maker = self.maker();
        let mut failing = false;
        let mut silent = true;
        loop {
            let packet = match packets.recv_timeout(SILENT_AFTER) {
                Ok(packet) => packet,
                Err(RecvTimeoutError::Timeout) if silent => continue,
                Err(RecvTimeoutError::Timeout) => {
                    silent = true;
                    deliver(Delivery::Silence);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return deliver(Delivery::Silence),
            };
            silent = false;
            let began = Instant::now();
            // After a panic the maker is thrown away, so nothing half changed is seen again.
            let outcome =
                catch_unwind(AssertUnwindSafe(|| maker.packet(&packet, &mut |frame| deliver(Delivery::Frame(frame)))));
            Counters::add(&self.counters.decode_us, u64::try_from(began.elapsed().as_micros()).unwrap_or(0));
            match outcome {
                Ok(outcome) => self.account(&packet, outcome, &mut failing),
                Err(_) => {
                    Counters::add(&self.counters.panics, 1);
                    Counters::add(&self.counters.undecodable, 1);
                    let Self { camera, role, .. } = self;
                    tracing::error!(%camera, %role, at = %packet.time.utc, "internal fault (panic) in decoding: starting anew");
                    maker = self.maker();
                }
            }
        }
    }

    fn account(&self, packet: &Packet, outcome: Outcome, failing: &mut bool) {
        Counters::add(&self.counters.decoded, outcome.decoded);
        Counters::add(&self.counters.over_rate, outcome.over_rate);
        Counters::add(&self.counters.undecodable, outcome.undecodable);
        Counters::add(&self.counters.gated, outcome.gated);
        Counters::add(&self.counters.wakes, outcome.wakes);
        if outcome.undecodable > 0 {
            self.health.damaged(self.role, outcome.undecodable, Now::read());
        }
        // Said once when it begins, not for every frame until the next key frame.
        match outcome.fault {
            Some(fault) if !*failing => {
                *failing = true;
                let Self { camera, role, .. } = self;
                tracing::warn!(%camera, %role, at = %packet.time.utc, "cannot decode: {fault}; going on at the next key frame");
            }
            Some(_) => {}
            None => *failing = *failing && outcome.decoded == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::mpsc};

    use stopline_types::SizePx;

    use super::*;
    use crate::{replay::FileCamera, ring::RingLimits};

    /// The first packets of a sample, with a key frame every two seconds.
    fn packets() -> Vec<Packet> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/junction_day/sub.mp4");
        let limits = RingLimits { seconds: 60.0, bytes: 64 << 20 };
        let camera = CameraId::new("file").unwrap();
        let mut file = FileCamera::open(&path, camera, None, plan(0.5), limits).unwrap();
        let start = file.info().start.utc;
        while !file.ring().covers(start.plus_s(15.0)) && file.next().unwrap().is_some() {}
        file.ring().cut(start, start.plus_s(15.0)).unwrap().packets().to_vec()
    }

    fn plan(max_fps: f64) -> AnalysePlan {
        AnalysePlan { fit: SizePx { w: 64, h: 64 }, max_fps, crops: Vec::new(), region: None }
    }

    fn send_all(queue: &PacketQueue, packets: impl IntoIterator<Item = Packet>) {
        packets.into_iter().for_each(|packet| queue.sender.send(packet).unwrap());
    }

    #[test]
    fn a_panic_is_caught_and_the_camera_goes_on_at_the_next_key_frame() {
        let counters = Arc::new(Counters::default());
        let (seen, frames) = mpsc::channel();
        let deliver = move |frame: Frame| {
            seen.send(frame.media_s).unwrap();
            assert!((frame.media_s - 0.8).abs() > 1e-3, "made to fail at 0.8 s");
        };
        let camera = CameraId::new("a").unwrap();
        let (queue, thread) = start_here(&camera, &counters, deliver);
        let packets = packets();
        let total = packets.len();
        send_all(&queue, packets);
        drop(queue);
        thread.join().unwrap();
        let seen: Vec<f64> = frames.iter().collect();
        let counted = counters.snapshot(Default::default(), 0);
        assert_eq!(counters.panics.load(std::sync::atomic::Ordering::Relaxed), 1);
        assert!(seen.iter().any(|s| (s - 2.0).abs() < 1e-3), "goes on at the key frame: {seen:?}");
        assert!(!seen.iter().any(|s| *s > 0.81 && *s < 1.99));
        // The frame that failed was handed out, and its packet counted as undecodable as well.
        assert_eq!(seen.len() as u64 - 1 + counted.frames_undecodable, total as u64);
    }

    #[test]
    fn lost_packets_cost_frames_until_the_next_key_frame() {
        let counters = Arc::new(Counters::default());
        let (seen, frames) = mpsc::channel();
        let camera = CameraId::new("a").unwrap();
        let deliver = move |frame: Frame| seen.send(frame.media_s).unwrap();
        let (queue, thread) = start_here(&camera, &counters, deliver);
        let mut packets = packets();
        packets.remove(30);
        packets[30].after_loss = true;
        send_all(&queue, packets);
        drop(queue);
        thread.join().unwrap();
        let seen: Vec<f64> = frames.iter().collect();
        assert!(!seen.iter().any(|s| *s > 2.4 && *s < 3.99), "{seen:?}");
        assert_eq!(counters.snapshot(Default::default(), 0).frames_undecodable, 19);
    }

    #[test]
    fn a_new_size_in_mid_stream_is_followed() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/junction_day/main.mp4");
        let limits = RingLimits { seconds: 60.0, bytes: 64 << 20 };
        let mut file = FileCamera::open(&path, CameraId::new("file").unwrap(), None, plan(0.5), limits).unwrap();
        while file.info().frames_read < 10 && file.next().unwrap().is_some() {}
        let start = file.info().start.utc;
        let large = file.ring().cut(start, start.plus_s(0.4)).unwrap().packets().to_vec();
        let counters = Arc::new(Counters::default());
        let (seen, frames) = mpsc::channel();
        let deliver = move |frame: Frame| seen.send(frame.source).unwrap();
        let camera = CameraId::new("a").unwrap();
        let (queue, thread) = start_here(&camera, &counters, deliver);
        send_all(&queue, packets().into_iter().take(5));
        send_all(&queue, large);
        drop(queue);
        thread.join().unwrap();
        let seen: Vec<SizePx> = frames.iter().collect();
        assert_eq!(seen.iter().filter(|s| s.w == 640).count(), 5);
        assert_eq!(seen.iter().filter(|s| s.w == 1920).count(), 6);
        assert_eq!(counters.snapshot(Default::default(), 0).frames_undecodable, 0);
    }

    #[test]
    fn a_session_opened_anew_goes_on_at_its_first_key_frame() {
        let counters = Arc::new(Counters::default());
        let (seen, frames) = mpsc::channel();
        let deliver = move |frame: Frame| seen.send((frame.seq, frame.media_s)).unwrap();
        let (queue, thread) = start_here(&CameraId::new("a").unwrap(), &counters, deliver);
        let first: Vec<Packet> = packets().into_iter().take(40).collect();
        send_all(&queue, first.clone());
        // It joins in the middle of a group, as one does with a camera on air.
        send_all(&queue, first.into_iter().skip(10).map(|packet| Packet { session: packet.session + 1, ..packet }));
        drop(queue);
        thread.join().unwrap();
        let seen: Vec<(u64, f64)> = frames.iter().collect();
        assert_eq!(seen.len(), 40 + 15, "{seen:?}");
        assert_eq!((seen[40].0, (seen[40].1 - 2.0).abs() < 1e-3), (0, true), "{seen:?}");
        assert_eq!(counters.snapshot(Default::default(), 0).frames_undecodable, 15);
    }

    fn start_here(
        camera: &CameraId,
        counters: &Arc<Counters>,
        mut deliver: impl FnMut(Frame) + Send + 'static,
    ) -> (PacketQueue, JoinHandle<()>) {
        let (role, counters) = (StreamRole::Sub, Arc::clone(counters));
        let health = Arc::new(Health::new(role, &[role], Arc::default(), Now::read()));
        let decoding = Decoding { camera: camera.clone(), role, plan: plan(0.0), gate: None, counters, health };
        let frames = move |delivery| match delivery {
            Delivery::Frame(frame) => deliver(frame),
            Delivery::Silence => {}
        };
        start(decoding, frames).unwrap()
    }

    #[test]
    fn a_slow_decoder_drops_whole_groups_and_counts_them() {
        let counters = Arc::new(Counters::default());
        let (go, wait) = mpsc::channel::<()>();
        let (seen, frames) = mpsc::channel();
        let deliver = move |frame: Frame| {
            wait.recv().ok();
            seen.send(frame.media_s).unwrap();
        };
        let (mut queue, thread) = start_here(&CameraId::new("a").unwrap(), &counters, deliver);
        let packets = packets();
        let total = packets.len() as u64;
        packets.into_iter().for_each(|packet| queue.put(packet));
        drop(go);
        drop(queue);
        thread.join().unwrap();
        let seen: Vec<f64> = frames.iter().collect();
        let counted = counters.snapshot(Default::default(), 0);
        assert!(counted.frames_undecodable >= 130, "{counted:?}");
        assert_eq!(seen.len() as u64 + counted.frames_undecodable, total);
    }
}
